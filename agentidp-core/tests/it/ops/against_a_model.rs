//! Random verbs against a plain model in memory: after each, the instance and the model agree on
//! what was refused, on who may get a token, and on which tokens are alive.
//!
//! A failure prints its seed and the shortest history that it could find. `MODEL_SEED` repeats a run,
//! `MODEL_CASES` makes it longer.

use std::time::Duration;

use agentidp_core::{
    AgentId, AgentStatus, CredentialId, IntrospectionRequest, NewAgent, NewCredential, NewOrg,
    OrgHandle, OrgId, OrgStatus, PageRequest, RevocationRequest, RevokeTokens, Rng as _, SystemRng,
    TokenRequest,
};
use agentidp_testkit::{API, TestIdp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::Engine;

super::on_every_engine!(every_history_is_that_of_the_model);

/// Most agents of an organization of the model.
const AGENTS_MAX: usize = 3;
/// Most live secrets of an agent.
const SECRETS_MAX: usize = agentidp_core::base::limits::LIVE_SECRETS_MAX;
const MONTHLY: i64 = 12;
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// A verb, on things by their places in the model. A place that nobody has is passed over.
#[derive(Debug, Clone, Copy)]
enum Verb {
    CreateOrg(usize),
    SuspendOrg(usize),
    ActivateOrg(usize),
    DeleteOrg(usize),
    Register(usize),
    Suspend(usize, usize),
    Reactivate(usize, usize),
    Decommission(usize, usize),
    IssueSecret(usize, usize, Option<u64>),
    Rotate(usize, usize, usize, u64),
    Revoke(usize, usize, usize, bool),
    Token(usize, usize, usize),
    RevokeToken(usize),
    Advance(u64),
}

fn verb() -> impl Strategy<Value = Verb> {
    let (org, agent, secret) = (0..2usize, 0..AGENTS_MAX, 0..SECRETS_MAX);
    let seconds = prop_oneof![Just(0u64), 1..100u64, 1000..5000u64];
    let who = (org.clone(), agent.clone());
    let which = (org.clone(), agent, secret);
    prop_oneof![
        2 => org.clone().prop_map(Verb::CreateOrg),
        1 => org.clone().prop_map(Verb::SuspendOrg),
        2 => org.clone().prop_map(Verb::ActivateOrg),
        1 => org.clone().prop_map(Verb::DeleteOrg),
        4 => org.prop_map(Verb::Register),
        1 => who.clone().prop_map(|(o, a)| Verb::Suspend(o, a)),
        2 => who.clone().prop_map(|(o, a)| Verb::Reactivate(o, a)),
        1 => who.clone().prop_map(|(o, a)| Verb::Decommission(o, a)),
        5 => (who, prop::option::of(seconds.clone().prop_map(|s| s + 1)))
            .prop_map(|((o, a), life)| Verb::IssueSecret(o, a, life)),
        2 => (which.clone(), seconds.clone()).prop_map(|((o, a, s), over)| Verb::Rotate(o, a, s, over)),
        2 => (which.clone(), any::<bool>()).prop_map(|((o, a, s), all)| Verb::Revoke(o, a, s, all)),
        10 => which.prop_map(|(o, a, s)| Verb::Token(o, a, s)),
        2 => (0..20usize).prop_map(Verb::RevokeToken),
        3 => seconds.prop_map(Verb::Advance),
    ]
}

struct Org {
    id: OrgId,
    status: OrgStatus,
    agents: Vec<Agent>,
    issued: i64,
}

struct Agent {
    id: AgentId,
    status: AgentStatus,
    secrets: Vec<Secret>,
}

struct Secret {
    id: CredentialId,
    text: String,
    revoked: bool,
    expires_at: Option<u64>,
}

struct Token {
    org: usize,
    agent: usize,
    secret: String,
    text: String,
    alive: bool,
    expires_at: u64,
}

/// What should be, in the plainest terms. Time is in seconds since the beginning.
struct Model {
    test: TestIdp,
    orgs: [Option<Org>; 2],
    tokens: Vec<Token>,
    now: u64,
}

fn every_history_is_that_of_the_model(engine: Engine) {
    let cases = match engine {
        Engine::Memory => 40,
        _ => 6,
    };
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mut random = [0; 8];
    SystemRng.fill(&mut random).unwrap();
    let seed = number("MODEL_SEED").unwrap_or(u64::from_le_bytes(random));
    let cases = number("MODEL_CASES").and_then(|n| u32::try_from(n).ok()).unwrap_or(cases);
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let history = prop::collection::vec(verb(), 1..60);
    let ran = runner.run(&history, |history| {
        let mut model =
            Model { test: engine.idp(), orgs: [None, None], tokens: Vec::new(), now: 0 };
        // Without this a random history seldom comes to anything.
        for verb in [Verb::CreateOrg(0), Verb::Register(0), Verb::IssueSecret(0, 0, None)] {
            model.take(verb);
        }
        for verb in history {
            model.take(verb);
            model.agree();
        }
        model.test.finish();
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("MODEL_SEED={seed}: {failure}");
    }
}

impl Model {
    fn handle(&self, org: usize) -> Option<OrgHandle> {
        self.orgs[org].as_ref().map(|known| self.test.idp.org(&known.id))
    }

    /// The handle of the other organization, to which nothing of this one is there.
    fn stranger(&self, org: usize) -> Option<OrgHandle> {
        self.handle(1 - org)
    }

    fn agent(&self, org: usize, agent: usize) -> Option<(&Org, &Agent)> {
        let org = self.orgs[org].as_ref()?;
        Some((org, org.agents.get(agent)?))
    }

    fn take(&mut self, verb: Verb) {
        match verb {
            Verb::CreateOrg(org) => self.create_org(org),
            Verb::SuspendOrg(org) => self.turn_org(org, OrgStatus::Suspended),
            Verb::ActivateOrg(org) => self.turn_org(org, OrgStatus::Active),
            Verb::DeleteOrg(org) => self.turn_org(org, OrgStatus::Deleted),
            Verb::Register(org) => self.register(org),
            Verb::Suspend(org, agent) => self.turn_agent(org, agent, AgentStatus::Suspended),
            Verb::Reactivate(org, agent) => self.turn_agent(org, agent, AgentStatus::Active),
            Verb::Decommission(org, agent) => {
                self.turn_agent(org, agent, AgentStatus::Decommissioned);
            }
            Verb::IssueSecret(org, agent, life) => self.issue_secret(org, agent, life),
            Verb::Rotate(org, agent, secret, overlap) => self.rotate(org, agent, secret, overlap),
            Verb::Revoke(org, agent, secret, all) => self.revoke(org, agent, secret, all),
            Verb::Token(org, agent, secret) => self.token(org, agent, secret),
            Verb::RevokeToken(token) => self.revoke_token(token),
            Verb::Advance(seconds) => {
                self.test.clock.step(Duration::from_secs(seconds));
                self.now += seconds;
            }
        }
    }

    fn create_org(&mut self, org: usize) {
        let new = NewOrg::new(format!("org-{org}"))
            .max_agents(AGENTS_MAX as i64)
            .max_tokens_per_month(MONTHLY);
        let made = self.test.idp.create_org(new);
        assert_eq!(made.is_ok(), self.orgs[org].is_none(), "a slug is taken once, and for good");
        if let Ok(made) = made {
            let (status, agents) = (OrgStatus::Active, Vec::new());
            self.orgs[org] = Some(Org { id: made.id, status, agents, issued: 0 });
        }
    }

    fn turn_org(&mut self, org: usize, to: OrgStatus) {
        let Some(handle) = self.handle(org) else { return };
        let turned = match to {
            OrgStatus::Active => handle.activate(),
            OrgStatus::Suspended => handle.suspend(),
            OrgStatus::Deleted => handle.delete(),
        };
        let Some(known) = &mut self.orgs[org] else { return };
        let deleted = known.status == OrgStatus::Deleted;
        assert_eq!(turned.is_ok(), !deleted || to == OrgStatus::Deleted, "to {to:?}");
        if !deleted {
            known.status = to;
            if to != OrgStatus::Active {
                self.end_tokens(|token| token.org == org);
            }
        }
    }

    fn register(&mut self, org: usize) {
        let Some(handle) = self.handle(org) else { return };
        let made = handle.register_agent(NewAgent::new("bot").scope("tools:read").audience(API));
        let Some(known) = &mut self.orgs[org] else { return };
        let gone = |agent: &&Agent| agent.status != AgentStatus::Decommissioned;
        let live = known.agents.iter().filter(gone).count();
        let allowed = known.status == OrgStatus::Active && live < AGENTS_MAX;
        assert_eq!(made.is_ok(), allowed, "{live} agents, {:?}", known.status);
        if let Ok(made) = made {
            let (status, secrets) = (AgentStatus::Active, Vec::new());
            known.agents.push(Agent { id: made.id, status, secrets });
        }
    }

    fn turn_agent(&mut self, org: usize, agent: usize, to: AgentStatus) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let change = |handle: &OrgHandle| match to {
            AgentStatus::Active => handle.reactivate_agent(&own.id),
            AgentStatus::Suspended => handle.suspend_agent(&own.id),
            AgentStatus::Decommissioned => handle.decommission_agent(&own.id),
        };
        if let Some(stranger) = self.stranger(org) {
            assert!(change(&stranger).is_err(), "an agent of another organization");
        }
        let changed = self.handle(org).map(|handle| change(&handle).is_ok());
        let allowed = known.status != OrgStatus::Deleted
            && (own.status != AgentStatus::Decommissioned || to == AgentStatus::Decommissioned);
        assert_eq!(changed, Some(allowed), "{:?} to {to:?} in {:?}", own.status, known.status);
        if !allowed {
            return;
        }
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].status = to;
            if to == AgentStatus::Decommissioned {
                known.agents[agent].secrets.iter_mut().for_each(|secret| secret.revoked = true);
            }
        }
        if to != AgentStatus::Active {
            self.end_tokens(|token| token.org == org && token.agent == agent);
        }
    }

    fn live(&self, secret: &Secret) -> bool {
        !secret.revoked && secret.expires_at.is_none_or(|expires_at| self.now < expires_at)
    }

    fn issue_secret(&mut self, org: usize, agent: usize, life: Option<u64>) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let mut new = NewCredential::default();
        if let Some(seconds) = life {
            new = new.expires_in(Duration::from_secs(seconds));
        }
        if let Some(stranger) = self.stranger(org) {
            assert!(stranger.issue_credential(&own.id, new.clone()).is_err());
        }
        let Some(handle) = self.handle(org) else { return };
        let issued = handle.issue_credential(&own.id, new);
        let live = own.secrets.iter().filter(|secret| self.live(secret)).count();
        let allowed = known.status != OrgStatus::Deleted
            && own.status == AgentStatus::Active
            && live < SECRETS_MAX;
        assert_eq!(issued.is_ok(), allowed, "{live} live, {:?}", own.status);
        let Ok(issued) = issued else { return };
        self.keep(org, agent, &issued, life.map(|seconds| self.now + seconds));
    }

    fn keep(
        &mut self,
        org: usize,
        agent: usize,
        issued: &agentidp_core::IssuedCredential,
        expires_at: Option<u64>,
    ) {
        self.test.canary(issued.secret());
        let (id, text) = (issued.credential().id.clone(), issued.secret().to_owned());
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].secrets.push(Secret { id, text, revoked: false, expires_at });
        }
    }

    fn rotate(&mut self, org: usize, agent: usize, secret: usize, overlap: u64) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(old) = own.secrets.get(secret) else { return };
        let over = Duration::from_secs(overlap);
        if let Some(stranger) = self.stranger(org) {
            assert!(stranger.rotate_credential(&old.id, over).is_err());
        }
        let Some(handle) = self.handle(org) else { return };
        let rotated = handle.rotate_credential(&old.id, over);
        let live = |other: &&Secret| self.live(other) && (overlap > 0 || other.id != old.id);
        let staying = own.secrets.iter().filter(live).count();
        let allowed = known.status != OrgStatus::Deleted
            && own.status == AgentStatus::Active
            && self.live(old)
            && staying < SECRETS_MAX;
        assert_eq!(rotated.is_ok(), allowed, "{staying} stay, {:?}", own.status);
        let Ok(rotated) = rotated else { return };
        // The old one ends with the overlap, and the new one is read as it was made.
        let end = self.now + overlap;
        let end = old.expires_at.map_or(end, |expires_at| expires_at.min(end));
        let life = rotated.credential().expires_at.map(|expires_at| {
            let left = expires_at.as_micros() - rotated.credential().created_at.as_micros();
            self.now + u64::try_from(left).unwrap() / 1_000_000
        });
        self.keep(org, agent, &rotated, life);
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].secrets[secret].expires_at = Some(end);
        }
    }

    fn revoke(&mut self, org: usize, agent: usize, secret: usize, all: bool) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(old) = own.secrets.get(secret) else { return };
        let tokens = if all { RevokeTokens::Yes } else { RevokeTokens::No };
        if let Some(stranger) = self.stranger(org) {
            assert!(stranger.revoke_credential(&old.id, tokens).is_err());
        }
        let Some(handle) = self.handle(org) else { return };
        let revoked = handle.revoke_credential(&old.id, tokens);
        let allowed = known.status != OrgStatus::Deleted;
        assert_eq!(revoked.is_ok(), allowed, "{:?}", known.status);
        if !allowed {
            return;
        }
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].secrets[secret].revoked = true;
        }
        if all {
            self.end_tokens(|token| token.org == org && token.agent == agent);
        }
    }

    fn token(&mut self, org: usize, agent: usize, secret: usize) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(secret) = own.secrets.get(secret) else { return };
        let request = TokenRequest::client_credentials(&own.id, secret.text.as_str());
        let issued = self.test.idp.token(&request);
        let allowed = known.status == OrgStatus::Active
            && own.status == AgentStatus::Active
            && self.live(secret)
            && known.issued < MONTHLY;
        assert_eq!(issued.is_ok(), allowed, "{issued:?}");
        let Ok(issued) = issued else { return };
        self.tokens.push(Token {
            org,
            agent,
            secret: secret.text.clone(),
            text: issued.access_token,
            alive: true,
            expires_at: self.now + TOKEN_LIFE.as_secs(),
        });
        if let Some(known) = &mut self.orgs[org] {
            known.issued += 1;
        }
    }

    fn revoke_token(&mut self, token: usize) {
        let Some(token) = self.tokens.get_mut(token) else { return };
        // By the client itself: who may not act any more may not revoke either.
        let client = self.orgs[token.org].as_ref().and_then(|org| org.agents.get(token.agent));
        let Some(client) = client else { return };
        let request = RevocationRequest::new(token.text.as_str());
        let request = request.client(&client.id, token.secret.as_str());
        if self.test.idp.revoke(&request).is_ok() {
            token.alive = false;
        }
    }

    fn end_tokens(&mut self, which: impl Fn(&Token) -> bool) {
        let ended = self.tokens.iter_mut().filter(|token| which(token));
        ended.for_each(|token| token.alive = false);
    }

    /// Everything that can be asked is as the model has it.
    fn agree(&self) {
        for (org, known) in self.orgs.iter().enumerate() {
            let (Some(known), Some(handle)) = (known, self.handle(org)) else { continue };
            assert_eq!(handle.get().unwrap().status, known.status);
            assert_eq!(handle.usage().unwrap().issued, known.issued, "tokens of the month");
            let filter = agentidp_core::AgentFilter::default();
            let listed = handle.list_agents(&filter, &PageRequest::first()).unwrap().items;
            let listed: Vec<_> = listed.into_iter().map(|agent| (agent.id, agent.status)).collect();
            let own = known.agents.iter().map(|agent| (agent.id.clone(), agent.status));
            assert_eq!(listed, own.collect::<Vec<_>>());
        }
        for (at, token) in self.tokens.iter().enumerate() {
            let told = self.test.idp.introspect(&IntrospectionRequest::new(token.text.as_str()));
            let active = told.unwrap().active;
            assert_eq!(active, token.alive && self.now < token.expires_at, "token {at}");
        }
    }
}
