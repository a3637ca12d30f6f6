//! The authorization endpoint, which has no response type (RFC 6749 sections 3.1 and 4.1.2.1).

use axum::body::Body;
use axum::http::{Method, Request};

use crate::forms::{Post, post};
use crate::served::{Answer, Served};

const AUTHORIZE: &str = "/oauth2/authorize";
const CALLBACK: &str = "https://client.example/callback";

/// The same parameters in the query and in the body.
async fn both(served: &Served, parameters: impl Fn(Post) -> Post) -> [Answer; 2] {
    let form = parameters(post(AUTHORIZE));
    let query = form.text().to_owned();
    [get(served, &query).await, form.to(served).await]
}

async fn get(served: &Served, query: &str) -> Answer {
    let request = Request::get(format!("{AUTHORIZE}?{query}")).body(Body::empty());
    served.send(request.expect("a request")).await
}

fn is_refused(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["error"], error, "{answer:?}");
    assert_eq!(answer.header("location"), "", "nobody is sent to an address that a stranger chose");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert!(!answer.body.contains("client.example"), "{answer:?}");
}

#[tokio::test]
async fn whoever_asks_for_consent_is_told_that_there_is_none_to_be_had() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let strangers = "01900000-0000-7000-8000-000000000001";
    let ids = [acme.agent.client_id.as_str(), globex.agent.client_id.as_str(), strangers];
    let mut bodies = Vec::new();
    for id in ids {
        for response_type in ["code", "token", "code id_token", "none"] {
            let asked = |post: Post| {
                let post = post.with("response_type", response_type).with("client_id", id);
                post.with("redirect_uri", CALLBACK).with("state", "x").with("prompt", "none")
            };
            for answer in both(&served, asked).await {
                is_refused(&answer, "unsupported_response_type");
                bodies.push(answer.body);
            }
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "it tells nothing of whom it knows");
    served.test.finish();
}

#[tokio::test]
async fn a_request_that_is_none_is_told_so_and_redirects_no_less() {
    let served = Served::new();
    let callback = |post: Post| post.with("redirect_uri", CALLBACK);
    for answer in both(&served, callback).await {
        is_refused(&answer, "invalid_request");
        assert_eq!(answer.json()["error_description"], "response_type is missing");
    }
    // What is empty is not there, and what is there twice is nothing (RFC 6749 section 3.1).
    for answer in both(&served, |post| callback(post).with("response_type", "")).await {
        is_refused(&answer, "invalid_request");
    }
    let twice = |post: Post| post.with("response_type", "code").with("response_type", "token");
    for answer in both(&served, twice).await {
        is_refused(&answer, "invalid_request");
    }
    is_refused(&get(&served, "response_type=%zz").await, "invalid_request");
    is_refused(&served.get(AUTHORIZE).await, "invalid_request");
    // In a query beside a body there are none.
    let mixed = post(&format!("{AUTHORIZE}?response_type=code")).to(&served).await;
    is_refused(&mixed, "invalid_request");
    let json = post(AUTHORIZE).content_type("application/json").body("{}").to(&served).await;
    is_refused(&json, "invalid_request");
    let other = post(AUTHORIZE).request(Method::PUT);
    let other = served.send(other).await;
    assert_eq!((other.status.as_u16(), other.header("allow")), (405, "GET,HEAD,POST"));
    served.test.finish();
}
