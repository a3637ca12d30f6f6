//! `Idempotency-Key`: a request is done once, and its secret is kept sealed.

use std::time::Duration;

use agentidp_testkit::{Fault, TestIdp};
use serde_json::json;

use crate::api::Api;
use crate::served::Answer;

const ALL: &[&str] = &[
    "agents:read",
    "agents:write",
    "credentials:read",
    "credentials:write",
    "tools:read",
    "openid",
];

/// All of an answer but the name of its request.
fn all(answer: &Answer) -> (u16, String, String, String) {
    let field = |name| answer.header(name).to_owned();
    (answer.status.as_u16(), field("etag"), field("location"), answer.body.clone())
}

#[tokio::test]
async fn a_secret_is_issued_once_and_lies_nowhere_in_plain_text() {
    let api = Api::over(TestIdp::in_file()).await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let path = format!("/agents/{}/credentials", acme.agent.id);
    let ask = || api.post(&path).by(&token).field("idempotency-key", "\"one\"");
    let first = ask().to().await;
    assert_eq!(first.status, 201, "{first:?}");
    let secret = first.json()["clientSecret"].as_str().expect("a secret").to_owned();
    api.test.canary(&secret);
    for _ in 0..3 {
        assert_eq!(all(&ask().to().await), all(&first));
    }
    let bare = api.post(&path).by(&token).field("idempotency-key", "one").to().await;
    assert_eq!(all(&bare), all(&first), "quotes are no part of the key");
    let other = api.post(&path).by(&token).field("idempotency-key", "two").to().await;
    assert_ne!(other.json()["credentialId"], first.json()["credentialId"]);
    assert_eq!(api.pages(&path, &token, 10).await.len(), 3);
    // What `finish` searches the file for.
    api.test.finish();
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_caller() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let post = async |token: &str, path: &str, name: &str| {
        let ask = api.post(path).by(token).field("idempotency-key", "k");
        ask.json(&json!({ "name": name })).to().await
    };
    let first = post(&token, "/agents", "a").await;
    assert_eq!(first.status, 201);
    assert_eq!(all(&post(&token, "/agents", "a").await), all(&first));
    post(&token, "/agents", "b").await.problem(422, "idempotency_key_reused");
    let elsewhere = format!("/agents/{}/suspend", acme.agent.id);
    let elsewhere = api.post(elsewhere).by(&token).field("idempotency-key", "k").to().await;
    elsewhere.problem(422, "idempotency_key_reused");
    // Another agent of the same organization, and one of another.
    for organization in [&acme.org.id, &globex.org.id] {
        let other = post(&api.token(organization, ALL), "/agents", "a").await;
        assert_eq!(other.status, 201);
        assert_ne!(other.json()["agentId"], first.json()["agentId"]);
    }
    for bad in ["", "\"", "a\"b", &"k".repeat(256), "\u{e9}"] {
        let ask = api.post("/agents").by(&token).field("idempotency-key", bad);
        ask.json(&json!({ "name": "a" })).to().await.problem(400, "invalid_input");
    }
    let two =
        api.post("/agents").by(&token).field("idempotency-key", "a").field("idempotency-key", "b");
    two.json(&json!({ "name": "a" })).to().await.problem(400, "invalid_input");
    api.test.finish();
}

/// Changes and ends as well: what was done is not undone by its repetition, nor refused.
#[tokio::test]
async fn a_change_and_an_end_are_done_once() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let path = format!("/agents/{}", acme.agent.id);
    let rename = |name: &str, version: &str, key: &str| {
        let ask = api.patch(&path).by(&token).field("idempotency-key", key);
        ask.field("if-match", version).json(&json!({ "name": name }))
    };
    let version = api.get(&path).by(&token).to().await.header("etag").to_owned();
    let first = rename("one", &version, "a").to().await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = rename("two", first.header("etag"), "b").to().await;
    assert_eq!(all(&rename("one", &version, "a").to().await), all(&first), "it was done");
    assert_eq!(api.get(&path).by(&token).to().await.json()["name"], "two", "and is not again");
    rename("one", second.header("etag"), "a").to().await.problem(422, "idempotency_key_reused");
    rename("one", &version, "c").to().await.problem(412, "precondition_failed");
    let end = |key: &str| api.delete(&path).by(&token).field("idempotency-key", key);
    let ended = end("d").to().await;
    assert_eq!(ended.status, 204);
    assert_eq!(all(&end("d").to().await), all(&ended));
    end("a").to().await.problem(422, "idempotency_key_reused");
    api.test.finish();
}

#[tokio::test]
async fn a_token_with_less_leave_is_not_told_what_one_with_more_was() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let (agent, token) = api.agent_with(&acme.org.id, ALL);
    let org = api.test.idp.org(&acme.org.id);
    let id = agentidp_core::AgentId::parse(&agent).expect("an id");
    let credential = org.issue_credential(&id, agentidp_core::NewCredential::default());
    let request =
        agentidp_core::TokenRequest::client_credentials(&id, credential.expect("one").secret());
    let narrow = api.test.idp.token(&request.scope("agents:read")).expect("a token").access_token;
    let path = format!("/agents/{}/credentials", acme.agent.id);
    let ask = |token: &str| api.post(&path).by(token).field("idempotency-key", "k");
    let issued = ask(&token).to().await;
    assert_eq!(issued.status, 201);
    let secret = issued.json()["clientSecret"].as_str().expect("a secret").to_owned();
    let told = ask(&narrow).to().await;
    told.problem(422, "idempotency_key_reused");
    assert!(!told.body.contains(&secret));
    api.test.finish();
}

#[tokio::test]
async fn a_refusal_gives_its_key_back_and_a_day_ends_it() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let post = async |token: &str, body: &str| {
        let ask = api.post("/agents").by(token).field("idempotency-key", "k");
        ask.body("application/json", body.as_bytes().to_vec()).to().await
    };
    post(&token, "{").await.problem(400, "invalid_input");
    post(&token, r#"{"name":"a","scopes":["more"]}"#).await.problem(403, "insufficient_scope");
    let first = post(&token, r#"{"name":"a"}"#).await;
    assert_eq!(first.status, 201, "the key was free");
    api.test.clock.step(Duration::from_secs(24 * 3600 + 60));
    let token = api.token(&acme.org.id, ALL);
    let later = post(&token, r#"{"name":"b"}"#).await;
    assert_eq!(later.status, 201, "the key is free again");
    api.test.finish();
}

/// With each statement of the request failing once: it is done once at the most, and a request that
/// failed can be made again under its key.
#[tokio::test]
async fn a_request_that_failed_is_repeated_under_its_key_and_done_once() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let agents = async || api.pages("/agents", &token, 500).await.len();
    for at in 0..100 {
        let before = agents().await;
        let post = async || {
            let ask = api.post("/agents").by(&token).field("idempotency-key", format!("k{at}"));
            ask.json(&json!({ "name": "a" })).to().await
        };
        api.test.store.arm(Fault::Statement(at));
        let first = post().await;
        let fired = api.test.store.disarm();
        let again = post().await;
        match first.status.as_u16() {
            // The answer could not be kept: nobody repeats what was done.
            201 if again.status == 409 => again.problem(409, "idempotency_key_in_use"),
            201 => assert_eq!(all(&again), all(&first)),
            503 => assert!(matches!(again.status.as_u16(), 201 | 409), "{again:?}"),
            _ => panic!("{first:?}"),
        }
        let done = agents().await - before;
        let told = u16::from(first.status == 201 || again.status == 201);
        assert_eq!(done, usize::from(told), "at {at}");
        if !fired {
            break;
        }
        assert!(at < 99, "the sweep does not end");
    }
    api.test.finish();
}

#[tokio::test]
async fn an_outcome_that_nobody_knows_is_not_repeated() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let before = api.pages("/agents", &token, 500).await.len();
    let post = async || {
        let ask = api.post("/agents").by(&token).field("idempotency-key", "k");
        ask.json(&json!({ "name": "a" })).to().await
    };
    // The first commit takes the key, the second registers the agent.
    api.test.store.arm(Fault::AfterCommit(1));
    post().await.problem(503, "outcome_unknown");
    assert!(api.test.store.disarm());
    post().await.problem(409, "idempotency_key_in_use");
    assert_eq!(api.pages("/agents", &token, 500).await.len(), before + 1);
    api.test.finish();
}

#[tokio::test]
async fn of_many_at_once_one_does_it() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let before = api.pages("/agents", &token, 500).await.len();
    let post = || {
        let ask = api.post("/agents").by(&token).field("idempotency-key", "k");
        ask.json(&json!({ "name": "a" })).to()
    };
    let (a, b, c, d) = tokio::join!(post(), post(), post(), post());
    let made: Vec<_> = [&a, &b, &c, &d].into_iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty());
    assert!(made.iter().all(|answer| all(answer) == all(made[0])));
    for answer in [a, b, c, d].iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "idempotency_key_in_use");
    }
    assert_eq!(api.pages("/agents", &token, 500).await.len(), before + 1);
    api.test.finish();
}
