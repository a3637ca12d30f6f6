//! What a request must be before any verb runs: let in, of the right type, of a sane size, well formed.

use serde_json::json;

use crate::api::{Api, MISSING};

const WRITES: &[&str] = &["agents:read", "agents:write"];

#[tokio::test]
async fn who_has_no_valid_token_is_told_so_and_nothing_else() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let forms =
        [("GET", "/agents"), ("POST", "/agents"), ("GET", "/organizations"), ("GET", "/audit")];
    for (method, path) in forms {
        let none = api.ask(method, path).to().await;
        none.problem(401, "token_missing");
        let challenge = none.header("www-authenticate");
        assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");
        for wrong in ["x", "a.b.c", &"a".repeat(10_000)] {
            // The form of a request is nothing that a stranger is told of.
            let wrong = api.ask(method, path).by(wrong).body("text/plain", "{").to().await;
            wrong.problem(401, "invalid_token");
            assert!(wrong.header("www-authenticate").contains("error=\"invalid_token\""));
        }
        let basic = api.ask(method, path).field("authorization", "Basic YTpi").to().await;
        basic.problem(401, "token_missing");
        let twice = api.ask(method, path).by("a.b.c").by("a.b.c").to().await;
        twice.problem(400, "invalid_input");
    }
    // A token for another audience, an ID token, and one of a suspended agent.
    let elsewhere = api.test.idp.token(&acme.request().scope("openid")).expect("a token");
    api.get("/agents").by(&elsewhere.access_token).to().await.problem(401, "invalid_token");
    let id_token = elsewhere.id_token.expect("an ID token");
    api.get("/agents").by(&id_token).to().await.problem(401, "invalid_token");
    let (agent, token) = api.agent_with(&acme.org.id, WRITES);
    assert_eq!(api.get("/agents").by(&token).to().await.status, 200);
    let suspended = api.post(format!("/agents/{agent}/suspend")).by(&token).to().await;
    assert_eq!(suspended.status, 200);
    api.get("/agents").by(&token).to().await.problem(401, "invalid_token");
    let in_query = api.get(format!("/agents?access_token={token}")).to().await;
    in_query.problem(401, "token_missing");
    api.test.finish();
}

#[tokio::test]
async fn a_token_of_a_key_is_not_taken_without_its_proof() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, WRITES);
    let ask = || api.get("/agents").field("authorization", format!("DPoP {token}"));
    ask().to().await.problem(401, "invalid_dpop_proof");
    let with_nonsense = ask().field("dpop", "a.b.c").to().await;
    assert!(matches!(with_nonsense.status.as_u16(), 400 | 401), "{with_nonsense:?}");
    let twice = ask().field("dpop", "a.b.c").field("dpop", "a.b.c").to().await;
    twice.problem(401, "invalid_dpop_proof");
    api.test.finish();
}

#[tokio::test]
async fn a_body_is_json_once_and_of_a_sane_size() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, WRITES);
    let before = api.test.trail(&acme.org.id).len();
    let post = |content_type: &str, body: &str| {
        api.post("/agents").by(&token).body(content_type, body.as_bytes().to_vec())
    };
    let good = r#"{"name":"bot"}"#;
    for other in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/merge-patch+json",
        "json",
        "",
    ] {
        post(other, good).to().await.problem(415, "unsupported_media_type");
    }
    api.post("/agents").by(&token).to().await.problem(415, "unsupported_media_type");
    let twice = post("application/json", good).field("content-type", "application/json");
    twice.to().await.problem(415, "unsupported_media_type");
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "\"bot\"",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":\"a\"}x",
        "{\"name\":1}",
        "{\"nick\":\"a\"}",
        "{}",
        "{\"name\":\"a\",\"scopes\":\"x\"}",
        "{\"name\":\"a\",\"tokenLifeSecondsMax\":1.5}",
        "{\"name\":\"a\",\"tokenLifeSecondsMax\":1e400}",
        "{\"name\":\"\\ud800\"}",
        "\u{feff}{\"name\":\"a\"}",
        "{\"name\":\"a\\u0000b\"}",
    ] {
        post("application/json", bad).to().await.problem(400, "invalid_input");
    }
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    post("application/json", &deep).to().await.problem(400, "invalid_input");
    let invalid = api.post("/agents").by(&token).body("application/json", vec![0xff; 8]);
    invalid.to().await.problem(400, "invalid_input");
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat(64 * 1024));
    post("application/json", &long).to().await.problem(413, "too_large");
    assert_eq!(api.test.trail(&acme.org.id).len(), before, "nothing was done");
    assert_eq!(post("application/JSON;charset=\"UTF-8\"", good).to().await.status, 201);
    api.test.finish();
}

#[tokio::test]
async fn a_request_is_looked_at_in_its_order() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let reader = api.token(&acme.org.id, &["agents:read"]);
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat(64 * 1024));
    let post = |content_type: &str, body: &str| {
        api.post("/agents").body(content_type, body.as_bytes().to_vec())
    };
    post("text/plain", &long).to().await.problem(401, "token_missing");
    post("text/plain", &long).by("a.b.c").to().await.problem(413, "too_large");
    post("text/plain", "{").by("a.b.c").to().await.problem(401, "invalid_token");
    post("text/plain", "{").by(&reader).to().await.problem(415, "unsupported_media_type");
    post("application/json", "{").by(&reader).to().await.problem(400, "invalid_input");
    let may_not = post("application/json", r#"{"name":"bot"}"#).by(&reader).to().await;
    may_not.problem(403, "insufficient_scope");
    api.test.finish();
}

#[tokio::test]
async fn what_is_asked_for_in_another_way_is_refused() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, WRITES);
    for (method, path, allowed) in [
        ("DELETE", "/agents".to_owned(), &["GET", "POST"][..]),
        ("PUT", format!("/agents/{MISSING}"), &["DELETE", "GET", "PATCH"]),
        ("GET", format!("/agents/{MISSING}/suspend"), &["POST"]),
        ("POST", "/audit".to_owned(), &["GET"]),
    ] {
        let refused = api.ask(method, &path).by(&token).to().await;
        refused.problem(405, "method_not_allowed");
        let allow = refused.header("allow");
        assert!(allowed.iter().all(|own| allow.contains(own)), "{method} {path}: {allow}");
    }
    for path in ["/agents/", "/agent", "/agents/x/y", "/organizations//members"] {
        let answer = api.get(path).by(&token).to().await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let in_query = api.post("/agents?name=x").by(&token).json(&json!({ "name": "bot" })).to().await;
    in_query.problem(400, "invalid_input");
    api.test.finish();
}
