//! Imports of the model: files of a few lines, of which some are refused and none stops the others.

use std::collections::HashSet;
use std::time::Duration;

use agentidp_core::crypto::{hexadecimal, sha256};
use agentidp_core::{
    AgentId, AgentStatus, Clock as _, ErrorCode, ImportOptions, OrgHandle, OrgStatus, PageRequest,
    Timestamp,
};
use agentidp_testkit::API;
use proptest::prelude::*;
use serde_json::json;

use super::{Agent, Credential, Model, SCOPES, Shown};

/// What a line tells of its agent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    Plain,
    /// A secret of its own, which may expire after some seconds.
    WithSecret(Option<u64>),
    /// One of the few ids that come from elsewhere.
    WithId(u8),
    /// The id of an agent that was registered in the other organization, if there is one.
    OfTheOther,
    Broken,
}

pub(super) fn file() -> impl Strategy<Value = (usize, Vec<Line>, bool)> {
    let line = prop_oneof![
        2 => Just(Line::Plain),
        2 => prop::option::of(prop_oneof![1 => Just(0u64), 3 => 1..100u64])
            .prop_map(Line::WithSecret),
        2 => (0..3u8).prop_map(Line::WithId),
        1 => Just(Line::OfTheOther),
        1 => Just(Line::Broken),
    ];
    (super::verbs::org(), prop::collection::vec(line, 1..4), prop::bool::weighted(0.3))
}

const CLAIMED: &str = "2020-02-29T12:00:00Z";

/// A line as it is written, with what is to be known of it.
struct Written {
    line: Line,
    name: String,
    id: Option<AgentId>,
    secret: String,
}

impl Written {
    fn text(&self, model: &Model) -> String {
        let mut text = json!({"name": self.name, "scopes": [SCOPES[0]], "audiences": [API]});
        if let Some(id) = &self.id {
            text["agentId"] = json!(id.as_str());
            text["createdAt"] = json!(CLAIMED);
        }
        match self.line {
            Line::Broken => text["password"] = json!("x"),
            Line::WithSecret(life) => {
                let digest = hexadecimal(&sha256(&[self.secret.as_bytes()]));
                let mut credential = json!({"scheme": "sha256", "digest": digest});
                if let Some(seconds) = life {
                    let end = model.test.clock.now().plus(Duration::from_secs(seconds));
                    credential["expiresAt"] = json!(end.to_string());
                }
                text["credentials"] = json!([credential]);
            }
            _ => {}
        }
        format!("{text}\n")
    }
}

impl Model {
    pub(super) fn import(&mut self, org: usize, lines: &[Line], dry_run: bool) {
        let Some(handle) = self.handle(org) else { return };
        let written: Vec<_> = lines.iter().map(|line| self.written(org, *line)).collect();
        let text: String = written.iter().map(|line| line.text(self)).collect();
        let done = handle.import(&mut text.as_bytes(), ImportOptions::new().dry_run(dry_run));
        let Some(known) = &self.orgs[org] else { return };
        if known.status != OrgStatus::Active {
            let stop = done.expect_err("nothing is imported into it");
            assert_eq!((stop.code(), stop.report().imported), (ErrorCode::NotActive, 0));
            return;
        }
        let report = done.unwrap();
        let expected = self.expected(org, &written);
        let refused: Vec<_> =
            (1..).zip(&expected).filter_map(|(at, code)| Some((at, (*code)?))).collect();
        let told: Vec<_> = report.refusals.iter().map(|line| (line.line, line.code)).collect();
        assert_eq!(told, refused, "{lines:?}, dry run {dry_run}");
        let imported = (expected.len() - refused.len()) as u64;
        let counted = (report.dry_run, report.lines, report.imported, report.refused);
        assert_eq!(counted, (dry_run, lines.len() as u64, imported, refused.len() as u64));
        if !dry_run {
            let taken = written.into_iter().zip(expected).filter(|(_, code)| code.is_none());
            for (line, _) in taken {
                self.imported(org, &handle, line);
            }
        }
    }

    fn written(&mut self, org: usize, line: Line) -> Written {
        self.lines += 1;
        let id = match line {
            Line::WithId(last) => {
                AgentId::parse(&format!("0b8f7d0a-9c1e-4a57-b0f4-00000000000{last}")).ok()
            }
            Line::OfTheOther => self.agent(1 - org, 0).map(|(_, agent)| agent.id.clone()),
            _ => None,
        };
        let (name, secret) =
            (format!("imported {}", self.lines), format!("a secret of line {}", self.lines));
        Written { line, name, id, secret }
    }

    /// Why each line is refused, if it is.
    fn expected(&self, org: usize, written: &[Written]) -> Vec<Option<ErrorCode>> {
        let known = self.orgs[org].as_ref().unwrap();
        let everywhere = self.orgs.iter().flatten().flat_map(|org| &org.agents);
        let mut taken: HashSet<_> = everywhere.map(|agent| agent.id.as_str().to_owned()).collect();
        let mut live = known.live();
        let mut full = false;
        let refusal = |line: &Written| {
            if matches!(line.line, Line::Broken) {
                return Some(ErrorCode::InvalidInput);
            }
            // Once there is no room the lines are not looked at any further.
            if full {
                return Some(ErrorCode::LimitReached);
            }
            if matches!(line.line, Line::WithSecret(Some(0))) {
                return Some(ErrorCode::InvalidInput);
            }
            if live >= known.max_agents {
                full = true;
                return Some(ErrorCode::LimitReached);
            }
            if let Some(id) = &line.id
                && !taken.insert(id.as_str().to_owned())
            {
                return Some(ErrorCode::AlreadyExists);
            }
            live += 1;
            None
        };
        written.iter().map(refusal).collect()
    }

    /// Takes over into the model what a line that was imported tells.
    fn imported(&mut self, org: usize, handle: &OrgHandle, line: Written) {
        let found = super::listed(handle).into_iter().find(|agent| agent.name == line.name);
        let found = found.expect("it was imported");
        // Each look at the clock takes it a little further.
        let second = |time: Timestamp| time.as_micros() / 1_000_000;
        let now = second(self.test.clock.now());
        assert_eq!(found.imported_at.map(second), Some(now));
        match &line.id {
            Some(id) => {
                assert_eq!((&found.id, found.created_at.to_string().as_str()), (id, CLAIMED))
            }
            None => assert_eq!(second(found.created_at), now),
        }
        let mut agent = Agent::new(handle, found.id, line.name, SCOPES[0]);
        assert_eq!(found.status, AgentStatus::Active);
        let credentials = handle.list_credentials(&agent.id, &PageRequest::first()).unwrap().items;
        if let Line::WithSecret(life) = line.line {
            let [credential] = &credentials[..] else { panic!("{credentials:?}") };
            self.test.canary(&line.secret);
            let end = life.map(|seconds| now + i64::try_from(seconds).unwrap());
            assert_eq!(credential.expires_at.map(second), end);
            agent.credentials.push(Credential {
                id: credential.id.clone(),
                shown: Shown::Secret(line.secret),
                revoked: false,
                created_at: credential.created_at,
                expires_at: credential.expires_at,
            });
        } else {
            assert_eq!(credentials, []);
        }
        if let Some(known) = &mut self.orgs[org] {
            known.agents.push(agent);
        }
    }
}
