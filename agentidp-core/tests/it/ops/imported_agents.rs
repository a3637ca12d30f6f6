//! What an imported agent is from then on: whether it may act, by which keys, and what its tokens are.

use agentidp_core::jose::parse_compact;
use agentidp_core::{
    AgentError, AgentFilter, AgentId, AgentStatus, Alg, CredentialError, Custody, Denied,
    ErrorCode, ImportReport, KeyRotation, NewAgent, NewCredential, OrgHandle, OrgId, PageRequest,
    TokenRequest, TokenResponse,
};
use agentidp_testkit::{API, TestIdp};
use serde_json::{Map, Value, json};

use super::authority::bearer;
use super::import::{AGENTS, OLD_ID, digest, import, try_import};
use super::key_holder::KeyHolder;
use super::{Engine, public_keys as keys};

super::on_every_engine!(
    one_that_is_imported_suspended_gets_no_token_until_it_is_reactivated,
    its_tokens_are_as_the_line_says,
    the_instance_must_have_a_key_for_its_algorithm,
    the_keys_that_it_holds_are_as_those_of_a_registration,
    who_may_register_such_an_agent_may_import_it,
    what_it_may_not_be_is_refused_by_its_member_also_on_a_dry_run,
);

const SECRET: &str = "an old and long secret";

fn old_id() -> AgentId {
    AgentId::parse(OLD_ID).unwrap()
}

/// A line of an agent with [`OLD_ID`] and [`SECRET`], and with `more`.
fn line(more: Value) -> Value {
    let mut line = json!({"name": "old-bot", "agentId": OLD_ID, "scopes": ["tools:read", "openid"],
        "audiences": [API], "credentials": [digest(SECRET)]});
    let (Value::Object(members), Value::Object(more)) = (&mut line, more) else {
        panic!("objects")
    };
    members.extend(more);
    line
}

fn token(test: &TestIdp) -> Result<TokenResponse, ErrorCode> {
    let request = TokenRequest::client_credentials(OLD_ID, SECRET).scope("openid");
    test.idp.token(&request).map_err(|error| error.code())
}

/// What the trail tells of the agents that were imported.
fn told(test: &TestIdp, organization: &OrgId) -> Vec<Map<String, Value>> {
    let page = test.idp.org(organization).audit(&PageRequest::first().limit(500)).unwrap();
    let imported = page.items.into_iter().filter(|entry| entry.event_type == "agent.imported");
    imported.map(|entry| entry.data).collect()
}

fn of_status(org: &OrgHandle, status: AgentStatus) -> Vec<String> {
    let page = org.list_agents(&AgentFilter::Status(status), &PageRequest::first()).unwrap();
    page.items.into_iter().map(|agent| agent.name).collect()
}

fn one_that_is_imported_suspended_gets_no_token_until_it_is_reactivated(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (org, other) = (test.idp.org(&acme.org.id), test.idp.org(&globex.org.id));
    let holder = KeyHolder::new(Alg::EdDsa);
    let lines = [
        line(json!({"status": "suspended", "publicKeys": [holder.jwk()]})),
        json!({"name": "working", "status": "active"}),
    ];
    assert_eq!(import(&org, &lines).imported, 2);
    let suspended = org.agent(&old_id()).unwrap();
    assert_eq!(suspended.status, AgentStatus::Suspended);
    assert_eq!(of_status(&org, AgentStatus::Suspended), ["old-bot"]);
    assert_eq!(of_status(&org, AgentStatus::Active), ["bot", "working"]);
    let statuses: Vec<_> =
        told(&test, &acme.org.id).iter().map(|data| data["status"].clone()).collect();
    assert_eq!(statuses, ["suspended", "active"]);
    let by_key =
        |jti: &str| test.idp.token(&TokenRequest::new(holder.assertion(&test, &old_id(), jti)));
    assert_eq!(token(&test).unwrap_err(), ErrorCode::InvalidClient);
    assert_eq!(by_key("a").unwrap_err().code(), ErrorCode::InvalidClient);
    // Another organization neither sees nor wakes it.
    assert!(matches!(other.agent(&old_id()), Err(AgentError::NotFound)));
    assert!(matches!(other.reactivate_agent(&old_id()), Err(AgentError::NotFound)));
    assert_eq!(org.agent(&old_id()).unwrap(), suspended);
    let active = org.reactivate_agent(&old_id()).unwrap();
    assert_eq!(active.status, AgentStatus::Active);
    token(&test).unwrap();
    by_key("b").unwrap();
    test.finish();
}

fn its_tokens_are_as_the_line_says(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let lines = [line(json!({"tokenLifeSecondsMax": 600, "tokenAlg": "EdDSA"}))];
    assert_eq!(import(&org, &lines).imported, 1);
    let agent = org.agent(&old_id()).unwrap();
    assert_eq!((agent.token_life_seconds_max, agent.token_alg), (Some(600), Some(Alg::EdDsa)));
    let alg = |token: &str| parse_compact(token).unwrap().header().alg().to_owned();
    let response = token(&test).unwrap();
    let claims = test.idp.verifier().verify_access_token(&response.access_token, API).unwrap();
    assert_eq!((response.expires_in, claims.exp - claims.iat), (600, 600));
    assert_eq!(alg(&response.access_token), "EdDSA");
    assert_eq!(alg(&response.id_token.unwrap()), "EdDSA");
    for tenant in [&acme, &globex] {
        let usual = test.idp.token(&tenant.request()).unwrap();
        assert_eq!((usual.expires_in, alg(&usual.access_token).as_str()), (3600, "ES256"));
    }
    test.finish();
}

fn the_instance_must_have_a_key_for_its_algorithm(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let lines = [line(json!({"tokenAlg": "RS256"}))];
    for dry_run in [true, false] {
        let report = try_import(&org, &lines, dry_run).unwrap();
        assert_eq!((report.imported, report.refused), (0, 1));
        assert_eq!(report.refusals[0].code, ErrorCode::InvalidInput);
        assert!(report.refusals[0].message.starts_with("tokenAlg: "), "{report:?}");
    }
    if cfg!(feature = "aws-lc") {
        test.idp.rotate_key(KeyRotation::tokens(Alg::Rs256)).unwrap();
        assert_eq!(import(&org, &lines).imported, 1);
        assert_eq!(org.agent(&old_id()).unwrap().token_alg, Some(Alg::Rs256));
    }
    test.finish();
}

fn the_keys_that_it_holds_are_as_those_of_a_registration(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (org, other) = (test.idp.org(&acme.org.id), test.idp.org(&globex.org.id));
    let holder = KeyHolder::new(Alg::Es256);
    let lines = [line(json!({"publicKeys": [keys::PEM, holder.jwk(), keys::PEM]}))];
    assert_eq!(import(&org, &lines).imported, 1);
    let published = org.agent_keys(&old_id()).unwrap();
    let held = published.iter().filter(|key| key.custody == Custody::HeldByAgent);
    let mut found: Vec<_> = held.map(|key| key.kid.clone()).collect();
    let mut expected = vec![keys::PEM_KID.to_owned(), holder.kid()];
    found.sort();
    expected.sort();
    assert_eq!((published.len(), found), (3, expected), "and one that is held for it");
    assert_eq!(told(&test, &acme.org.id)[0]["heldKids"], json!([keys::PEM_KID, holder.kid()]));
    assert!(matches!(other.agent_keys(&old_id()), Err(AgentError::NotFound)));
    let code = |jti: &str| {
        let request = TokenRequest::new(holder.assertion(&test, &old_id(), jti));
        test.idp.token(&request).err().map(|error| error.code())
    };
    assert_eq!(code("a"), None);
    // It is a key of the agent and not a credential, and ends as one: for good.
    let jwk = holder.jwk().to_string();
    let issue = || org.add_public_key(&old_id(), NewCredential::public_key(&jwk));
    assert!(matches!(issue(), Err(CredentialError::KeyKnown(_))));
    org.revoke_agent_key(&old_id(), &holder.kid()).unwrap();
    assert_eq!(code("b"), Some(ErrorCode::InvalidClient));
    assert!(matches!(issue(), Err(CredentialError::KeyKnown(_))));
    assert!(matches!(org.add_agent_key(&old_id(), &jwk), Err(AgentError::KeyKnown(_))));
    // Another organization's agent may have the same.
    let same = json!({"name": "x", "publicKeys": [holder.jwk()]});
    assert_eq!(import(&other, &[same]).imported, 1);
    test.finish();
}

/// Neither asks for more than leave to change agents, and the scopes.
fn who_may_register_such_an_agent_may_import_it(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let writer = bearer(&test, &acme.org.id, &["agents:write", "tools:write"]);
    let org = writer.org(&acme.org.id);
    let line = |scope: &str| {
        json!({"name": "imported", "scopes": [scope], "status": "suspended", "tokenAlg": "EdDSA",
            "tokenLifeSecondsMax": 600, "publicKeys": [keys::jwk()]})
    };
    let register = |scope: &str| {
        let new = NewAgent::new("registered").scope(scope).token_life_seconds_max(600);
        org.register_agent(new.token_alg(Alg::EdDsa).public_key(&keys::jwk().to_string()))
    };
    let report = import(&org, &[line("tools:write"), line("tools:read")]);
    assert_eq!((report.imported, report.refused), (1, 1));
    let refused = &report.refusals[0];
    assert_eq!((refused.line, refused.code), (2, ErrorCode::InsufficientScope));
    register("tools:write").unwrap();
    let wider = register("tools:read");
    assert!(matches!(wider, Err(AgentError::Denied(Denied::ScopesNotHeld))));
    test.finish();
}

fn what_it_may_not_be_is_refused_by_its_member_also_on_a_dry_run(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let both = json!([{"scheme": "public_key", "publicKey": keys::PEM}]);
    let mut bad = vec![
        ("status", line(json!({"status": "decommissioned"}))),
        ("status", line(json!({"status": "hunter2"}))),
        ("tokenLifeSecondsMax", line(json!({"tokenLifeSecondsMax": 59}))),
        ("tokenLifeSecondsMax", line(json!({"tokenLifeSecondsMax": 3601}))),
        ("tokenAlg", line(json!({"tokenAlg": "hunter2"}))),
        ("publicKeys", line(json!({"publicKeys": vec![keys::PEM; 10]}))),
        ("publicKeys", line(json!({"publicKeys": [keys::PEM], "credentials": both}))),
    ];
    let rules = bad.len();
    for (_, key) in keys::refused() {
        let key = serde_json::from_str(&key).unwrap_or(Value::String(key));
        bad.push(("publicKeys", line(json!({"publicKeys": [key]}))));
    }
    let (members, mut lines): (Vec<_>, Vec<_>) = bad.into_iter().unzip();
    lines.push(line(json!({"publicKeys": [keys::jwk()]})));
    let dry = try_import(&org, &lines, true).unwrap();
    assert_eq!(test.count(&acme.org.id, AGENTS), 1);
    let done = import(&org, &lines);
    assert_eq!((done.imported, done.refused), (1, members.len() as u64));
    assert_eq!(test.count(&acme.org.id, AGENTS), 2);
    assert_eq!(told(&test, &acme.org.id).len(), 1);
    for (at, (refused, member)) in done.refusals.iter().zip(members).enumerate() {
        let code = if at < rules { ErrorCode::InvalidInput } else { ErrorCode::InvalidKey };
        assert_eq!((refused.line, refused.code), (at as u64 + 1, code), "{refused:?}");
        assert!(refused.message.starts_with(&format!("{member}: ")), "{refused:?}");
        assert!(!refused.message.contains("hunter2"), "{refused:?}");
        assert!(!refused.message.contains("nWGxne"), "{refused:?}");
    }
    assert_eq!(ImportReport { dry_run: false, ..dry }, done);
    test.finish();
}
