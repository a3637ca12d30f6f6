//! `/agent-info` (OpenID Connect Core section 5.3) and its challenges (RFC 6750 section 3).

use agentidp_testkit::ISSUER;
use axum::body::Body;
use axum::http::{Method, Request};

use crate::forms::{parts, texts};
use crate::served::{Answer, Served};

const AT: &str = "https://idp.example.com/.well-known/oauth-protected-resource";

fn challenge(rest: &str) -> String {
    format!("Bearer realm=\"agentidp\"{rest}, resource_metadata=\"{AT}\"")
}

async fn ask(served: &Served, method: Method, path: &str, fields: &[&str]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for field in fields {
        request = request.header("authorization", *field);
    }
    served.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_token_with_openid_tells_about_its_agent() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let body = served.token_of(&acme, "openid tools:read").await;
    let token = body["access_token"].as_str().expect("a token");
    let (_, id) = parts(body["id_token"].as_str().expect("an ID token"));
    for (method, field) in
        [(Method::GET, format!("Bearer {token}")), (Method::POST, format!("bearer {token}"))]
    {
        let answer = ask(&served, method, "/agent-info", &[&field]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let told = answer.json();
        let mut names: Vec<_> = told.as_object().expect("claims").keys().collect();
        names.sort();
        assert_eq!(names, ["agent_did", "agent_name", "organization_id", "sub"]);
        for name in names {
            assert_eq!(told[name], id[name], "{name} is that of the ID token");
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn who_brings_no_token_is_told_of_no_error() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let token = served.token_of(&acme, "openid").await;
    let token = token["access_token"].as_str().expect("a token");
    let in_query = format!("/agent-info?access_token={token}");
    for (path, fields) in
        [("/agent-info", &[][..]), (&in_query, &[]), ("/agent-info", &["Basic YTpi"])]
    {
        let answer = ask(&served, Method::GET, path, fields).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge(""));
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    served.test.finish();
}

#[tokio::test]
async fn a_bad_token_is_invalid_and_a_bad_field_is_no_request() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let body = served.token_of(&acme, "openid").await;
    let token = body["access_token"].as_str().expect("a token");
    let id_token = body["id_token"].as_str().expect("an ID token");
    let cut = &token[..token.len() - 3];
    for field in [
        "Bearer x".to_owned(),
        format!("Bearer {id_token}"),
        format!("Bearer {cut}"),
        format!("DPoP {token}"),
    ] {
        let answer = ask(&served, Method::GET, "/agent-info", &[&field]).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge(", error=\"invalid_token\""));
        assert_eq!(answer.json()["code"], "invalid_token");
    }
    let right = format!("Bearer {token}");
    for fields in [&["Bearer"][..], &["Bearer a b"], &[&right, &right], &[&right, "Basic YTpi"]] {
        let answer = ask(&served, Method::GET, "/agent-info", fields).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge(", error=\"invalid_request\""));
    }
    let suspended = served.test.idp.org(&acme.org.id).suspend_agent(&acme.agent.id);
    suspended.expect("a suspended agent");
    assert_eq!(served.agent_info(&right).await.status, 401);
    served.test.finish();
}

#[tokio::test]
async fn a_token_without_openid_is_not_enough() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let body = served.token_of(&acme, "tools:read").await;
    let token = body["access_token"].as_str().expect("a token");
    let answer = served.agent_info(&format!("Bearer {token}")).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let expected = challenge(", error=\"insufficient_scope\", scope=\"openid\"");
    assert_eq!(answer.header("www-authenticate"), expected);
    served.test.finish();
}

#[tokio::test]
async fn the_challenge_leads_to_what_the_resource_tells_about_itself() {
    let served = Served::new();
    let answer = served.get(AT.strip_prefix(ISSUER).expect("ours")).await;
    assert_eq!(answer.status, 200);
    let metadata = answer.json();
    assert_eq!(metadata["resource"], ISSUER);
    assert_eq!(texts(&metadata["authorization_servers"]), [ISSUER]);
    // It is about the issuer alone: a document about another resource would not name that one.
    for other in ["/agent-info", "/agents"] {
        let path = format!("/.well-known/oauth-protected-resource{other}");
        assert_eq!(served.get(&path).await.status, 404);
    }
    served.test.finish();
}

#[tokio::test]
async fn other_methods_are_refused() {
    let served = Served::new();
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = ask(&served, method, "/agent-info", &[]).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), "GET,HEAD,POST,OPTIONS");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let preflight = ask(&served, Method::OPTIONS, "/agent-info", &[]).await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").contains("Authorization"));
    served.test.finish();
}
