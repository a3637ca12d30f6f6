//! Introspection (RFC 7662) and revocation (RFC 7009), among two organizations.

use std::time::Duration;

use agentidp_core::{NewAgent, NewCredential};
use agentidp_testkit::{API, ISSUER, Tenant};
use serde_json::Value;

use crate::forms::{INTROSPECT, REVOKE, post};
use crate::served::{Answer, Served};

async fn ask(served: &Served, tenant: &Tenant, token: &str) -> Answer {
    let answer = post(INTROSPECT).with("token", token).by(tenant).to(served).await;
    assert_eq!(answer.status, 200, "a token is never an error: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

async fn is_active(served: &Served, tenant: &Tenant, token: &str) -> bool {
    let answer = ask(served, tenant, token).await;
    let active = answer.json()["active"] == true;
    assert!(active || answer.body == r#"{"active":false}"#, "{answer:?}");
    active
}

/// RFC 7009 section 2.1: the token is another client's, which is said, and nothing else of it.
async fn may_not_revoke(served: &Served, tenant: &Tenant, token: &str) {
    let answer = post(REVOKE).with("token", token).by(tenant).to(served).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let told =
        r#"{"error":"unauthorized_client","error_description":"the token is another client's"}"#;
    assert_eq!(answer.body, told);
}

async fn revoke(served: &Served, tenant: &Tenant, token: &str) -> Answer {
    let answer = post(REVOKE).with("token", token).by(tenant).to(served).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""), "{answer:?}");
    answer
}

/// Another agent of the tenant's organization, with that scope.
fn colleague(served: &Served, tenant: &Tenant, agent: NewAgent) -> Tenant {
    let handle = served.test.idp.org(&tenant.org.id);
    let agent = handle.register_agent(agent).expect("an agent");
    let credential =
        handle.issue_credential(&agent.id, NewCredential::default()).expect("a secret");
    Tenant { org: tenant.org.clone(), agent, credential }
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn a_token_tells_about_itself_to_its_owner() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let token = text(&served.token_of(&acme, "tools:read").await, "access_token");
    let answer = ask(&served, &acme, &token).await.json();
    let id = acme.agent.client_id.as_str();
    for (member, value) in [
        ("client_id", id),
        ("sub", id),
        ("scope", "tools:read"),
        ("token_type", "Bearer"),
        ("iss", ISSUER),
        ("aud", API),
        ("organization_id", acme.org.id.as_str()),
        ("agent_did", acme.agent.did.as_str()),
    ] {
        assert_eq!(answer[member], value, "{member}");
    }
    assert_eq!(answer["active"], true);
    assert!(answer["exp"].is_u64() && answer["iat"].is_u64() && answer["jti"].is_string());
    for absent in ["act", "cnf"] {
        assert_eq!(answer.get(absent), None);
    }
    served.test.finish();
}

#[tokio::test]
async fn a_token_is_told_of_to_its_audience_and_who_may_introspect_within_its_organization() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let api = colleague(&served, &acme, NewAgent::new("api").url(API));
    let auditor = colleague(&served, &acme, NewAgent::new("auditor").scope("tokens:introspect"));
    let anybody = colleague(&served, &acme, NewAgent::new("anybody").audience(API));
    let foreign_api = colleague(&served, &globex, NewAgent::new("api").url(API));
    let foreign = colleague(&served, &globex, NewAgent::new("auditor").scope("tokens:introspect"));
    let token = text(&served.token_of(&acme, "tools:read").await, "access_token");
    for (tenant, told) in [
        (&acme, true),
        (&api, true),
        (&auditor, true),
        (&anybody, false),
        (&globex, false),
        (&foreign_api, false),
        (&foreign, false),
    ] {
        assert_eq!(is_active(&served, tenant, &token).await, told, "{}", tenant.agent.name);
    }
    served.test.finish();
}

#[tokio::test]
async fn whatever_is_no_token_that_may_be_used_is_not_active() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let body = served.token_of(&acme, "openid").await;
    let token = text(&body, "access_token");
    let long = "a".repeat(20_000);
    for other in [
        "x",
        "a.b.c",
        "..",
        "ä",
        &token[..token.len() - 4],
        &long,
        body["id_token"].as_str().unwrap(),
    ] {
        assert!(!is_active(&served, &acme, other).await, "{other}");
    }
    let foreign = text(&served.token_of(&globex, "openid").await, "access_token");
    assert!(!is_active(&served, &acme, &foreign).await);
    // By our own clock a token ends in the second that it says, without any skew.
    served.test.clock.step(Duration::from_secs(3599));
    assert!(is_active(&served, &acme, &token).await);
    served.test.clock.step(Duration::from_secs(1));
    assert!(!is_active(&served, &acme, &token).await);
    served.test.finish();
}

#[tokio::test]
async fn what_suspends_an_agent_or_its_organization_ends_their_tokens() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let handle = |tenant: &Tenant| served.test.idp.org(&tenant.org.id);
    for tenant in [&acme, &globex] {
        let asker = NewAgent::new("auditor").scope("tokens:introspect");
        let auditor = colleague(&served, tenant, asker);
        let token = text(&served.token_of(tenant, "tools:read").await, "access_token");
        assert!(is_active(&served, &auditor, &token).await);
        handle(tenant).suspend_agent(&tenant.agent.id).expect("suspended");
        assert!(!is_active(&served, &auditor, &token).await);
        handle(tenant).reactivate_agent(&tenant.agent.id).expect("active");
        assert!(!is_active(&served, &auditor, &token).await, "it stays ended");
    }
    served.test.finish();
}

#[tokio::test]
async fn a_client_ends_its_own_token() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let ended = text(&served.token_of(&acme, "openid").await, "access_token");
    let kept = text(&served.token_of(&acme, "openid").await, "access_token");
    let answer = revoke(&served, &acme, &ended).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!is_active(&served, &acme, &ended).await);
    assert_eq!(served.agent_info(&format!("Bearer {ended}")).await.status, 401);
    assert!(is_active(&served, &acme, &kept).await);
    revoke(&served, &acme, &ended).await;
    // Whose token it is not ends nothing, and learns nothing of what became of it.
    may_not_revoke(&served, &globex, &kept).await;
    may_not_revoke(&served, &globex, &ended).await;
    assert!(is_active(&served, &acme, &kept).await);
    let auditor = colleague(&served, &acme, NewAgent::new("auditor").scope("tokens:introspect"));
    may_not_revoke(&served, &auditor, &kept).await;
    assert!(is_active(&served, &acme, &kept).await);
    let guard = colleague(&served, &acme, NewAgent::new("guard").scope("tokens:revoke"));
    revoke(&served, &guard, &kept).await;
    assert!(!is_active(&served, &acme, &kept).await);
    served.test.finish();
}

#[tokio::test]
async fn ending_what_is_no_token_succeeds() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let body = served.token_of(&acme, "openid").await;
    for token in ["x", "a.b.c", "ä", body["id_token"].as_str().expect("an ID token")] {
        revoke(&served, &acme, token).await;
    }
    let token = text(&body, "access_token");
    assert!(is_active(&served, &acme, &token).await, "an ID token is no name of the access token");
    // Hints that are unknown or wrong are ignored.
    for hint in ["refresh_token", "unheard_of"] {
        for path in [INTROSPECT, REVOKE] {
            let request = post(path).with("token", &token).with("token_type_hint", hint).by(&acme);
            assert_eq!(request.to(&served).await.status, 200);
        }
        assert!(!is_active(&served, &acme, &token).await);
    }
    served.test.finish();
}

#[tokio::test]
async fn a_question_without_a_token_is_none() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    for path in [INTROSPECT, REVOKE] {
        for request in [post(path), post(path).with("token", ""), post(&format!("{path}?token=x"))]
        {
            let answer = request.by(&acme).to(&served).await;
            assert_eq!(answer.status, 400, "{answer:?}");
            assert_eq!(answer.json()["error"], "invalid_request");
        }
        let twice = post(path).with("token", "x").with("token", "x").by(&acme).to(&served).await;
        assert_eq!(twice.json()["error"], "invalid_request");
    }
    served.test.finish();
}
