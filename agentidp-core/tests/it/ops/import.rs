//! Importing agents: what is taken over, what is refused by its line, and what is left behind.

use agentidp_core::crypto::{hexadecimal, sha256};
use agentidp_core::{
    AgentError, AgentFilter, AgentId, AgentStatus, CredentialKind, Denied, ErrorCode, ImportError,
    ImportOptions, ImportReport, ImportStop, NewOrg, OrgHandle, OrgId, PageRequest, PlanTier,
    TokenRequest,
};
use agentidp_testkit::{API, TestIdp};
use serde_json::{Value, json};

use super::authority::bearer;
use super::faults::successes_in;
use super::{Engine, public_keys as keys};

super::on_every_engine!(
    an_imported_agent_is_as_the_line_says_and_assured_since_now,
    an_imported_secret_authenticates_and_can_be_replaced,
    what_is_refused_is_told_by_its_line_and_stores_nothing,
    an_id_is_kept_if_it_is_free,
    a_dry_run_finds_what_the_import_would_and_stores_nothing,
    no_more_agents_are_imported_than_there_is_room_for,
    without_room_a_dry_run_gives_the_reasons_of_the_import,
    who_may_not_or_does_not_hold_the_scopes_imports_nothing,
    an_agent_keeps_no_ids_of_another_installation,
    an_import_into_nowhere_stops,
    what_was_imported_before_a_stop_stays,
    lines_have_a_length,
    the_documented_lines_are_imported,
    each_line_is_all_or_nothing,
);

pub(super) const OLD_ID: &str = "0b8f7d0a-9c1e-4a57-b0f4-3d5c1a2b4e6f";
pub(super) const AGENTS: &str = "SELECT COUNT(*) FROM agents WHERE organization_id = ?1";
const CREDENTIALS: &str = "SELECT COUNT(*) FROM credentials WHERE organization_id = ?1";
const KEYS: &str = "SELECT COUNT(*) FROM agent_keys WHERE organization_id = ?1";

pub(super) fn import(org: &OrgHandle, lines: &[Value]) -> ImportReport {
    try_import(org, lines, false).unwrap()
}

pub(super) fn try_import(
    org: &OrgHandle,
    lines: &[Value],
    dry_run: bool,
) -> Result<ImportReport, ImportError> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    org.import(&mut text.as_bytes(), ImportOptions::new().dry_run(dry_run))
}

pub(super) fn digest(secret: &str) -> Value {
    json!({"scheme": "sha256", "digest": hexadecimal(&sha256(&[secret.as_bytes()]))})
}

fn listed(org: &OrgHandle) -> Vec<agentidp_core::Agent> {
    org.list_agents(&AgentFilter::All, &PageRequest::first()).unwrap().items
}

fn empty(test: &TestIdp, slug: &str) -> OrgId {
    test.idp.create_org(NewOrg::new(slug).plan(PlanTier::Enterprise)).unwrap().id
}

fn an_imported_agent_is_as_the_line_says_and_assured_since_now(engine: Engine) {
    let test = engine.idp();
    let id = empty(&test, "acme");
    let org = test.idp.org(&id);
    let report = import(
        &org,
        &[json!({"name": "old-bot", "description": "reads", "owner": "Ada Lovelace",
            "scopes": ["tools:read"], "audiences": [API], "capabilities": ["nlp/text_completion"],
            "url": "https://bot.example.com", "agentId": OLD_ID,
            "createdAt": "2020-02-29T12:00:00Z",
            "credentials": [digest("an old secret"),
                {"scheme": "public_key", "publicKey": keys::jwk()},
                {"scheme": "public_key", "publicKey": keys::PEM}]})],
    );
    assert_eq!((report.lines, report.imported, report.refused), (1, 1, 0));
    let agent = listed(&org).remove(0);
    assert_eq!((agent.id.as_str(), agent.client_id.as_str()), (OLD_ID, OLD_ID));
    assert_eq!((agent.name.as_str(), agent.status), ("old-bot", AgentStatus::Active));
    assert_eq!(agent.did, format!("did:web:idp.example.com:agents:{OLD_ID}"));
    assert_eq!(agent.owner.as_deref(), Some("Ada Lovelace"));
    assert_eq!(agent.capabilities, ["nlp/text_completion"]);
    assert_eq!(agent.created_at.to_string(), "2020-02-29T12:00:00Z");
    assert_eq!(agent.imported_at, Some(agent.updated_at));
    assert_eq!(org.agent_keys(&agent.id).unwrap().len(), 1, "a key is held for it");
    let credentials = org.list_credentials(&agent.id, &PageRequest::first()).unwrap().items;
    let keys = credentials.iter().filter(|own| own.kind == CredentialKind::PublicKey);
    assert_eq!((credentials.len(), keys.count()), (3, 2));
    let page = org.audit(&PageRequest::first()).unwrap();
    let entry = page.items.last().unwrap();
    assert_eq!(
        (entry.event_type.as_str(), entry.target.as_deref()),
        ("agent.imported", Some(OLD_ID))
    );
    assert_eq!(entry.data["assuredSince"], json!(agent.imported_at));
    assert_eq!(entry.data["claimedCreatedAt"], "2020-02-29T12:00:00Z");
    assert_eq!(entry.data["credentialIds"].as_array().unwrap().len(), 3);
    assert_eq!((&entry.data["status"], entry.data.get("heldKids")), (&json!("active"), None));
    let text = serde_json::to_string(&page).unwrap();
    assert!(!text.contains("Lovelace") && !text.contains("old-bot"), "{text}");
    test.finish();
}

fn an_imported_secret_authenticates_and_can_be_replaced(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let secrets = ["secret number one", "secret number two"];
    for secret in secrets {
        test.canary(secret);
        test.canary(&hexadecimal(&sha256(&[secret.as_bytes()])));
    }
    let line = json!({"name": "old-bot", "scopes": ["tools:read"], "audiences": [API],
        "agentId": OLD_ID, "credentials": [digest(secrets[0]), digest(secrets[1])]});
    assert_eq!(import(&org, &[line]).imported, 1);
    let token = |secret: &str| test.idp.token(&TokenRequest::client_credentials(OLD_ID, secret));
    for secret in secrets {
        let token = token(secret).unwrap().access_token;
        let claims = test.idp.verifier().verify_access_token(&token, API).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.organization_id.as_str()),
            (OLD_ID, acme.org.id.as_str())
        );
    }
    let of_first = hexadecimal(&sha256(&[secrets[0].as_bytes()]));
    for wrong in ["", "secret number three", &of_first, acme.credential.secret()] {
        assert_eq!(token(wrong).unwrap_err().code(), ErrorCode::InvalidClient);
    }
    for other in [&acme.agent.id, &globex.agent.id] {
        let request = TokenRequest::client_credentials(other, secrets[0]);
        assert_eq!(test.idp.token(&request).unwrap_err().code(), ErrorCode::InvalidClient);
    }
    let agent = AgentId::parse(OLD_ID).unwrap();
    let old = org.list_credentials(&agent, &PageRequest::first()).unwrap().items.remove(0).id;
    let new = org.rotate_credential(&old, std::time::Duration::ZERO).unwrap();
    token(new.secret()).unwrap();
    let working = secrets.iter().filter(|secret| token(secret).is_ok()).count();
    assert_eq!(working, 1, "the one that was rotated is over");
    test.finish();
}

fn what_is_refused_is_told_by_its_line_and_stores_nothing(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let scheme = |scheme: &str| json!({"name": "x", "credentials": [{"scheme": scheme, "digest": "$2b$12$hunter2hunter2"}]});
    let mut lines = vec![
        json!({"name": "good one"}),
        scheme("bcrypt"),
        scheme("argon2id"),
        scheme("plain"),
        json!({"name": "x", "scopes": ["admin:orgs"]}),
        json!({"name": "x", "createdAt": "2999-01-01T00:00:00Z"}),
        json!({"name": "x", "credentials": [{"scheme": "sha256",
            "digest": "00".repeat(32), "expiresAt": "2020-01-01T00:00:00Z"}]}),
        json!({"name": ""}),
        json!("good"),
    ];
    for (_, key) in keys::refused() {
        let key = serde_json::from_str(&key).unwrap_or(Value::String(key));
        lines.push(
            json!({"name": "x", "credentials": [{"scheme": "public_key", "publicKey": key}]}),
        );
    }
    lines.push(json!({"name": "good two"}));
    let all = lines.len() as u64;
    let report = import(&org, &lines);
    assert_eq!((report.lines, report.imported, report.refused), (all, 2, all - 2));
    let numbers: Vec<u64> = report.refusals.iter().map(|refused| refused.line).collect();
    assert_eq!(numbers, (2..all).collect::<Vec<_>>());
    for refused in &report.refusals {
        assert!(!refused.message.contains("hunter2"), "{refused:?}");
        assert!(!refused.message.contains("nWGxne"), "{refused:?}");
    }
    assert_eq!(report.refusals[3].code, ErrorCode::InvalidScope);
    assert_eq!(test.count(&acme.org.id, AGENTS), 3);
    assert_eq!(test.count(&acme.org.id, CREDENTIALS), 1);
    assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.imported"), 2);
    assert_eq!(test.count(&globex.org.id, AGENTS), 1);
    test.finish();
}

fn an_id_is_kept_if_it_is_free(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let line = |id: &str| json!({"name": "x", "agentId": id, "credentials": [digest("s")]});
    let before = [org.agent(&acme.agent.id), test.idp.org(&globex.org.id).agent(&globex.agent.id)];
    let before = before.map(Result::unwrap);
    // Of this organization, of another, and of a line before: one answer.
    let lines =
        [line(OLD_ID), line(OLD_ID), line(acme.agent.id.as_str()), line(globex.agent.id.as_str())];
    let report = import(&org, &lines);
    assert_eq!((report.imported, report.refused), (1, 3));
    assert!(report.refusals.iter().all(|refused| {
        refused.code == ErrorCode::AlreadyExists && refused.message == "the agent id is taken"
    }));
    let other = test.idp.org(&globex.org.id);
    assert_eq!(org.agent(&acme.agent.id).unwrap(), before[0]);
    assert_eq!(other.agent(&globex.agent.id).unwrap(), before[1]);
    assert_eq!(test.count(&acme.org.id, CREDENTIALS), 2);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.imported Refused");
    // What is decommissioned keeps its id.
    let id = AgentId::parse(OLD_ID).unwrap();
    org.decommission_agent(&id).unwrap();
    assert_eq!(import(&other, &[line(OLD_ID)]).refused, 1);
    test.finish();
}

fn a_dry_run_finds_what_the_import_would_and_stores_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let small = test.idp.create_org(NewOrg::new("small").max_agents(3)).unwrap().id;
    let org = test.idp.org(&small);
    let lines = [
        json!({"name": "one", "agentId": OLD_ID, "credentials": [digest("s")]}),
        json!({"name": "two", "agentId": OLD_ID}),
        json!({"name": "three", "agentId": acme.agent.id}),
        json!({"name": "four", "scopes": ["admin:orgs"]}),
        json!({"name": "five"}),
        json!({"name": "six"}),
        json!({"name": "seven"}),
        json!({"name": "", "agentId": OLD_ID}),
    ];
    let before = test.trail(&small);
    let dry = try_import(&org, &lines, true).unwrap();
    assert_eq!((dry.imported, dry.refused, test.count(&small, AGENTS)), (3, 5, 0));
    assert_eq!((test.count(&small, CREDENTIALS), test.trail(&small)), (0, before));
    let done = import(&org, &lines);
    assert!(dry.dry_run && !done.dry_run);
    assert_eq!(ImportReport { dry_run: false, ..dry }, done);
    assert_eq!(test.count(&small, AGENTS), 3);
    test.finish();
}

fn no_more_agents_are_imported_than_there_is_room_for(engine: Engine) {
    let test = engine.idp();
    let small = test.idp.create_org(NewOrg::new("small").max_agents(2)).unwrap().id;
    let org = test.idp.org(&small);
    let lines: Vec<Value> = (0..5).map(|n| json!({"name": format!("{n}")})).collect();
    let report = import(&org, &lines);
    assert_eq!((report.imported, report.refused), (2, 3));
    assert!(report.refusals.iter().all(|refused| refused.code == ErrorCode::LimitReached));
    // It is told once: a long file does not fill the log.
    let trail = test.trail(&small);
    assert_eq!(trail.iter().filter(|entry| *entry == "agent.imported Refused").count(), 1);
    test.finish();
}

fn without_room_a_dry_run_gives_the_reasons_of_the_import(engine: Engine) {
    let test = engine.idp();
    let id = test.idp.create_org(NewOrg::new("acme").max_agents(1)).unwrap().id;
    let org = test.idp.org(&id);
    let line = json!({"name": "old-bot", "agentId": OLD_ID});
    let told = |dry_run| {
        let report = try_import(&org, &[line.clone(), line.clone()], dry_run).unwrap();
        report.refusals.iter().map(|refused| (refused.line, refused.code)).collect::<Vec<_>>()
    };
    let dry = told(true);
    assert_eq!(dry, [(2, ErrorCode::LimitReached)]);
    assert_eq!(told(false), dry);
}

fn who_may_not_or_does_not_hold_the_scopes_imports_nothing(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let plain = [json!({"name": "x"})];
    let reader = bearer(&test, &acme.org.id, &["agents:read"]);
    let stopped = try_import(&reader.org(&acme.org.id), &plain, false).unwrap_err();
    let missing = Denied::ScopeMissing("agents:write");
    assert!(matches!(stopped.reason(), ImportStop::Agent(AgentError::Denied(d)) if *d == missing));
    assert_eq!(stopped.code(), ErrorCode::InsufficientScope);
    let writer = bearer(&test, &acme.org.id, &["agents:write", "tools:write"]);
    let foreign = try_import(&writer.org(&globex.org.id), &plain, false).unwrap_err();
    assert!(matches!(foreign.reason(), ImportStop::Agent(AgentError::NotFound)));
    let org = writer.org(&acme.org.id);
    let lines = [
        json!({"name": "held", "scopes": ["tools:write"]}),
        json!({"name": "wider", "scopes": ["tools:read"]}),
        json!({"name": "wider again", "scopes": ["tools:read"]}),
        json!({"name": "with a secret", "credentials": [digest("s")]}),
        json!({"name": "with another", "credentials": [digest("t")]}),
    ];
    let report = import(&org, &lines);
    assert_eq!((report.imported, report.refused), (1, 4));
    let denied = |test: &TestIdp| {
        let trail = test.trail(&acme.org.id);
        trail.iter().filter(|entry| *entry == "access.denied Refused").count()
    };
    assert_eq!(
        denied(&test),
        4,
        "of two scopes, the first; of credentials; of a foreign place; of leave"
    );
    let refused =
        |refused: &agentidp_core::RefusedLine| refused.code == ErrorCode::InsufficientScope;
    assert!(report.refusals.iter().all(refused));
    assert_eq!(test.count(&globex.org.id, AGENTS), 1);
    test.finish();
}

/// Or it would learn which ids other organizations have.
fn an_agent_keeps_no_ids_of_another_installation(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let writer = bearer(&test, &acme.org.id, &["agents:write"]);
    let lines = [OLD_ID, globex.agent.id.as_str()].map(|id| json!({"name": "x", "agentId": id}));
    let report = import(&writer.org(&acme.org.id), &lines);
    assert_eq!((report.imported, report.refused), (0, 2));
    let [free, taken] = &report.refusals[..] else { panic!("{report:?}") };
    assert_eq!((free.code, &free.message), (ErrorCode::InvalidInput, &taken.message));
    test.finish();
}

/// Lines that end with a failure of their source.
struct Torn(std::io::Cursor<&'static [u8]>);

impl std::io::Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match std::io::Read::read(&mut self.0, buffer)? {
            0 => Err(std::io::ErrorKind::ConnectionReset.into()),
            count => Ok(count),
        }
    }
}

fn what_was_imported_before_a_stop_stays(engine: Engine) {
    let test = engine.idp();
    let id = empty(&test, "acme");
    let org = test.idp.org(&id);
    let torn = Torn(std::io::Cursor::new(b"{\"name\":\"one\"}\n{\"name\":\"two\"}\n{\"na"));
    let stopped = org.import(&mut std::io::BufReader::new(torn), ImportOptions::new()).unwrap_err();
    assert!(matches!(stopped.reason(), ImportStop::Read(_)), "{stopped}");
    assert_eq!((stopped.report().imported, stopped.report().lines), (2, 2));
    assert_eq!(listed(&org).len(), 2);
    // Refusals are all counted, and a thousand of them told.
    let report = org.import(&mut "?\n".repeat(1002).as_bytes(), ImportOptions::new()).unwrap();
    assert_eq!((report.refused, report.refusals.len()), (1002, 1000));
    let long = "\n".repeat(1_000_001);
    let stopped = org.import(&mut long.as_bytes(), ImportOptions::new()).unwrap_err();
    assert!(matches!(stopped.reason(), ImportStop::TooManyLines(1_000_000)), "{stopped}");
    test.finish();
}

fn an_import_into_nowhere_stops(engine: Engine) {
    let test = engine.idp();
    let nowhere = OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap();
    for dry_run in [true, false] {
        let lines = [json!({"name": "x"})];
        let stopped = try_import(&test.idp.org(&nowhere), &lines, dry_run).unwrap_err();
        assert!(matches!(stopped.reason(), ImportStop::Agent(AgentError::NotFound)));
        assert_eq!(*stopped.report(), ImportReport { dry_run, ..ImportReport::default() });
    }
    // Also of nothing at all, and on a dry run.
    let acme = test.idp.org(&empty(&test, "asleep"));
    acme.suspend().unwrap();
    for (lines, dry_run) in [(vec![], false), (vec![], true), (vec![json!({"name": "x"})], true)] {
        let stopped = try_import(&acme, &lines, dry_run).unwrap_err();
        assert!(
            matches!(stopped.reason(), ImportStop::Agent(AgentError::OrgNotActive)),
            "{stopped}"
        );
    }
    test.finish();
}

fn lines_have_a_length(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let long = "x".repeat(1 << 20);
    let text = format!(
        "\n  \n{long}\r\n{{\"name\":\"one\"}}\r\n{long}\n\u{feff}{{}}\n{{\"name\":\"two\"}}"
    );
    let mut seen = Vec::new();
    let mut progress = |report: &ImportReport| seen.push(report.lines);
    let report = org.import(&mut text.as_bytes(), ImportOptions::new().progress(&mut progress));
    let report = report.unwrap();
    assert_eq!((report.lines, report.imported, report.refused), (7, 2, 3));
    assert_eq!(report.refusals.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 5, 6]);
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    assert!(report.refusals[0].message.len() < 200);
    test.finish();
}

fn the_documented_lines_are_imported(engine: Engine) {
    let test = engine.idp();
    let id = empty(&test, "acme");
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/import.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let report = test.idp.org(&id).import(&mut example.as_bytes(), ImportOptions::new()).unwrap();
    assert_eq!((report.imported, report.refused), (4, 0), "{report:?}");
    // The digest is that of `test`.
    test.idp.token(&TokenRequest::client_credentials(OLD_ID, "test")).unwrap();
    test.finish();
}

fn each_line_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let (mut round, mut made) = (0, 0);
    let verb = |_| {
        round += 1;
        let id = format!("0b8f7d0a-9c1e-4a57-b0f4-{round:012}");
        let line = json!({"name": "x", "agentId": id, "status": "suspended", "tokenAlg": "EdDSA",
            "tokenLifeSecondsMax": 600, "publicKeys": [keys::jwk()], "credentials": [digest("s"),
            {"scheme": "public_key", "publicKey": keys::PEM}]});
        match try_import(&org, &[line], false) {
            Ok(report) => {
                assert_eq!(report.imported, 1);
                made += 1;
                Ok(())
            }
            Err(stopped) => {
                assert!(matches!(stopped.reason(), ImportStop::Agent(AgentError::Fault(_))));
                // It stops before the first line where it cannot be read whether there is any place.
                assert!(stopped.report().lines <= 1 && stopped.report().imported == 0);
                let id = AgentId::parse(&id).unwrap();
                assert!(matches!(org.agent(&id), Err(AgentError::NotFound)));
                Err(stopped.code())
            }
        }
    };
    super::faults::sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.imported"), successes);
        assert_eq!(test.count(&acme.org.id, AGENTS), successes as i64 + 1);
        assert_eq!(test.count(&acme.org.id, CREDENTIALS), 2 * successes as i64 + 1);
        assert_eq!(test.count(&acme.org.id, KEYS), 2 * successes as i64 + 1);
    });
    assert!(made > 10);
    test.finish();
}
