//! The token endpoint: what it takes, and what it gives (RFC 6749, RFC 8707, RFC 9068).

use agentidp_core::{Clock as _, NewAgent, NewCredential, OrgChanges};
use agentidp_testkit::{API, Fault, ISSUER};
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::forms::{ENDPOINTS, INTROSPECT, TOKEN, parts, post, token};
use crate::served::{Answer, Served};

fn is_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["error"], error);
    let description = body["error_description"].as_str().expect("a description");
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(description.chars().all(allowed), "RFC 6749 section 5.2: {description}");
    assert_eq!(body.as_object().map(|body| body.len()), Some(2));
    assert_not_stored(answer);
}

fn assert_not_stored(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_client_gets_a_token_that_verifies() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let answer = token().with("scope", "tools:read").by(&acme).to(&served).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_not_stored(&answer);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "tools:read");
    let mut members: Vec<_> = body.as_object().expect("an object").keys().collect();
    members.sort();
    // No refresh token, not even none (RFC 6749 section 4.4.3).
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    let verifier = served.test.idp.verifier();
    let access_token = body["access_token"].as_str().expect("a token");
    let claims = verifier.verify_access_token(access_token, API).expect("a valid token");
    assert_eq!(claims.client_id, acme.agent.client_id.as_str());
    served.test.finish();
}

#[tokio::test]
async fn an_access_token_says_what_rfc_9068_asks_for_and_no_more() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let body = served.token_of(&acme, "tools:read").await;
    let (header, claims) = parts(body["access_token"].as_str().expect("a token"));
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(header["alg"], "ES256");
    let claims = claims.as_object().expect("claims");
    let mut names: Vec<_> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "agent_did",
        "aud",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "organization_id",
        "scope",
        "sub",
    ];
    assert_eq!(names, expected);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], API);
    assert_eq!(claims["sub"], claims["client_id"]);
    assert_eq!(claims["organization_id"], acme.org.id.as_str());
    assert!(claims["iat"].is_u64() && claims["exp"].is_u64(), "whole seconds");
    assert!(claims["iat"].as_i64().expect("a time") <= served.test.clock.now().as_seconds());
    assert!(body["access_token"].as_str().expect("a token").len() < 4096);
    served.test.finish();
}

#[tokio::test]
async fn an_id_token_comes_with_openid_and_only_then() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let without = token().by(&acme).to(&served).await.json();
    assert_eq!(without["scope"], "tools:read", "an omitted scope does not mean `openid`");
    assert_eq!(without.get("id_token"), None);
    let body = served.token_of(&acme, "openid tools:read").await;
    assert_eq!(body["scope"], "openid tools:read");
    let id_token = body["id_token"].as_str().expect("an ID token");
    let (header, claims) = parts(id_token);
    assert_eq!(header["typ"], "JWT");
    let mut names: Vec<_> = claims.as_object().expect("claims").keys().cloned().collect();
    names.sort();
    let expected = [
        "agent_did",
        "agent_name",
        "at_hash",
        "aud",
        "exp",
        "iat",
        "iss",
        "organization_id",
        "sub",
    ];
    assert_eq!(names, expected, "no nonce, and no auth_time or amr that nobody observed");
    assert_eq!(claims["aud"], acme.agent.client_id.as_str());
    let access_token = body["access_token"].as_str().expect("a token");
    let hash = agentidp_core::crypto::sha256(&[access_token.as_bytes()]);
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash[..16]));
    let verifier = served.test.idp.verifier();
    verifier.verify_id_token(id_token, acme.agent.client_id.as_str()).expect("a valid ID token");
    assert!(verifier.verify_access_token(id_token, API).is_err());
    served.test.finish();
}

#[tokio::test]
async fn every_other_method_is_refused_with_those_that_are_allowed() {
    let served = Served::new();
    for path in ENDPOINTS {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = served.send(post(path).request(method.clone())).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), "POST");
            if method != Method::HEAD {
                is_error(&answer, 405, "invalid_request");
            }
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn parameters_in_the_address_are_refused_also_beside_those_that_would_do() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let (id, secret) = (acme.agent.client_id.as_str(), acme.credential.secret());
    let body = served.token_of(&acme, "tools:read").await;
    let issued = body["access_token"].as_str().expect("a token");
    let queries = [
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"),
        format!("client_secret={secret}"),
        format!("client_assertion={issued}"),
        format!("token={issued}"),
        format!("subject_token={issued}&actor_token={issued}"),
        "scope=tools%3Aread".to_owned(),
        "%zz".to_owned(),
        "unknown".to_owned(),
    ];
    for path in ENDPOINTS {
        let asked = |query: &str| {
            let post = post(&format!("{path}?{query}"));
            post.with("grant_type", "client_credentials").with("token", issued).by(&acme)
        };
        for query in &queries {
            let refused = asked(query).to(&served).await;
            is_error(&refused, 400, "invalid_request");
            assert!(!refused.body.contains(secret) && !refused.body.contains(issued));
        }
    }
    // Nothing was ended, and what is empty is no query.
    let told = post(&format!("{INTROSPECT}?")).with("token", issued).by(&acme).to(&served).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.json()["active"], true);
    served.test.finish();
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let json = r#"{"grant_type":"client_credentials"}"#;
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
    ] {
        let answer = token().content_type(content_type).by(&acme).to(&served).await;
        is_error(&answer, 400, "invalid_request");
        let answer = post(TOKEN).body(json).content_type(content_type).by(&acme).to(&served).await;
        is_error(&answer, 400, "invalid_request");
    }
    let without = Request::post(TOKEN).body(Body::from("grant_type=client_credentials"));
    is_error(&served.send(without.expect("a request")).await, 400, "invalid_request");
    let compressed = token().field("content-encoding", "gzip").by(&acme).to(&served).await;
    is_error(&compressed, 400, "invalid_request");
    let charset = "application/x-www-form-urlencoded; charset=UTF-8";
    assert_eq!(token().content_type(charset).by(&acme).to(&served).await.status, 200);
    served.test.finish();
}

#[tokio::test]
async fn parameters_are_there_once_and_not_empty() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    for body in [
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=client_credentials&scope=tools%3Aread&scope=openid",
        "grant_type=client_credentials&scope=&scope=tools%3Aread",
        "grant_type=client_credentials&unknown=1&unknown=1",
        "grant_type=client_credentials&scope=%zz",
        "grant_type=client_credentials&scope=%ff",
        "grant_type=",
        "scope=tools%3Aread",
        "",
    ] {
        is_error(&post(TOKEN).body(body).by(&acme).to(&served).await, 400, "invalid_request");
    }
    let odd = "grant_type=client_credentials&scope=&unknown=x&resource=&&audience";
    let answer = post(TOKEN).body(odd).by(&acme).to(&served).await;
    assert_eq!(answer.status, 200, "what is empty or unknown is not there: {answer:?}");
    served.test.finish();
}

#[tokio::test]
async fn a_grant_that_is_unknown_is_not_supported() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    for grant in
        ["authorization_code", "password", "refresh_token", "Client_Credentials", "x y\"\\ä"]
    {
        let answer = post(TOKEN).with("grant_type", grant).by(&acme).to(&served).await;
        is_error(&answer, 400, "unsupported_grant_type");
    }
    served.test.finish();
}

#[tokio::test]
async fn scopes_are_granted_as_asked_or_refused() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    for scope in
        ["tools:write", "tools:read tools:write", "tools:read  openid", " tools:read", "a\"b", "ä"]
    {
        let answer = token().with("scope", scope).by(&acme).to(&served).await;
        is_error(&answer, 400, "invalid_scope");
    }
    let twice = served.token_of(&acme, "tools:read openid tools:read").await;
    assert_eq!(twice["scope"], "tools:read openid");
    let bare = served.test.idp.org(&acme.org.id).register_agent(NewAgent::new("bare"));
    let bare = bare.expect("an agent");
    let handle = served.test.idp.org(&acme.org.id);
    let credential = handle.issue_credential(&bare.id, NewCredential::default()).expect("a secret");
    let answer = token().basic(bare.client_id.as_str(), credential.secret()).to(&served).await;
    let body = answer.json();
    assert_eq!(body.get("scope"), None, "no scope is no member");
    assert_eq!(parts(body["access_token"].as_str().expect("a token")).1.get("scope"), None);
    served.test.finish();
}

#[tokio::test]
async fn a_token_is_for_the_one_resource_that_was_asked_for() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let audience = async |resource: &str| {
        let answer = token().with("resource", resource).by(&acme).to(&served).await;
        let body = answer.json();
        assert_eq!(answer.status, 200, "{body}");
        parts(body["access_token"].as_str().expect("a token")).1["aud"].clone()
    };
    assert_eq!(audience(API).await, API);
    assert_eq!(audience(ISSUER).await, ISSUER);
    for resource in [
        "https://api.example.com/",
        "https://API.example.com",
        "https://api.example.com#x",
        "https://api.example.com?x",
        "https://other.example.com",
        "api.example.com",
        "/relative",
        acme.agent.client_id.as_str(),
    ] {
        let answer = token().with("resource", resource).by(&acme).to(&served).await;
        is_error(&answer, 400, "invalid_target");
    }
    let two = token().with("resource", API).with("resource", ISSUER).by(&acme).to(&served).await;
    is_error(&two, 400, "invalid_target");
    served.test.finish();
}

#[tokio::test]
async fn a_token_lives_no_longer_than_its_organization_and_its_agent_say() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let handle = served.test.idp.org(&acme.org.id);
    handle.update(OrgChanges::default().token_life_seconds_max(600)).expect("a limit");
    let life = async |tenant| {
        let body = served.token_of(tenant, "openid").await;
        for token in ["access_token", "id_token"] {
            let (_, claims) = parts(body[token].as_str().expect("a token"));
            let life =
                claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
            assert_eq!(life, body["expires_in"].as_i64());
        }
        body["expires_in"].clone()
    };
    assert_eq!(life(&acme).await, 600);
    assert_eq!(life(&globex).await, 3600);
    served.test.finish();
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let padding = "x".repeat(64 * 1024);
    for path in ENDPOINTS {
        let answer = post(path).with("padding", &padding).by(&acme).to(&served).await;
        is_error(&answer, 413, "invalid_request");
        let many = (0..65).fold(post(path), |post, n| post.with(&format!("p{n}"), "1"));
        is_error(&many.by(&acme).to(&served).await, 400, "invalid_request");
    }
    served.test.finish();
}

#[tokio::test]
async fn errors_repeat_nothing_that_was_sent() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let canary = "canary\u{7}\"<script>";
    for request in [
        token().secret(canary, canary),
        token().basic(canary, canary),
        post(TOKEN).with("grant_type", canary).by(&acme),
        token().with("scope", canary).by(&acme),
        token().with("resource", canary).by(&acme),
        token().with(canary, "1").with(canary, "2").by(&acme),
        token().field("dpop", "canary"),
        token().with("client_assertion", canary).with("client_assertion_type", canary),
    ] {
        let answer = request.to(&served).await;
        assert!(answer.status.is_client_error());
        assert!(!answer.body.contains("canary"), "{answer:?}");
    }
    served.test.finish();
}

#[tokio::test]
async fn a_month_that_is_used_up_has_an_error_of_its_own() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let handle = served.test.idp.org(&acme.org.id);
    handle.update(OrgChanges::default().max_tokens_per_month(1)).expect("a limit");
    assert_eq!(token().by(&acme).to(&served).await.status, 200);
    is_error(&token().by(&acme).to(&served).await, 429, "quota_exceeded");
    assert_eq!(token().by(&globex).to(&served).await.status, 200, "others have their own");
    served.test.finish();
}

#[tokio::test]
async fn a_failing_database_is_a_temporary_failure_and_no_token() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    served.test.store.arm(Fault::Statement(0));
    let answer = token().by(&acme).to(&served).await;
    assert!(served.test.store.disarm());
    is_error(&answer, 503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    served.test.finish();
}
