//! Clients that prove themselves by a key of their own (`private_key_jwt`, RFC 7523).

use agentidp_core::Alg;
use agentidp_core::crypto::hmac_sha256;
use agentidp_testkit::ISSUER;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::forms::{ENDPOINTS, Post, TOKEN, post, token};
use crate::pen::Pen;
use crate::served::{Answer, Served};

fn request(path: &str) -> Post {
    let request = post(path);
    if path == TOKEN {
        request.with("grant_type", "client_credentials")
    } else {
        request.with("token", "x")
    }
}

#[tokio::test]
async fn a_client_proves_itself_by_each_kind_of_key_at_each_endpoint() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let pens: Vec<_> = Alg::ALL.iter().map(|alg| Pen::new(*alg)).collect();
    pens.iter().for_each(|pen| pen.register(&served, &acme));
    for pen in &pens {
        for path in ENDPOINTS {
            let assertion = || pen.assertion(&served, &acme);
            let named = request(path).with("client_id", acme.agent.client_id.as_str());
            for request in [request(path).assertion(&assertion()), named.assertion(&assertion())] {
                let answer = request.to(&served).await;
                assert_eq!(answer.status, 200, "{} {path}: {answer:?}", pen.alg());
            }
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn the_second_name_of_an_algorithm_and_a_single_key_without_a_name_are_read() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let (pen, other) = (Pen::new(Alg::EdDsa), Pen::new(Alg::Es256));
    pen.register(&served, &acme);
    for header in [json!({ "alg": "Ed25519", "kid": pen.kid() }), json!({ "alg": "EdDSA" })] {
        let assertion = pen.sign(&header, &pen.claims(&served, &acme));
        assert_eq!(token().assertion(&assertion).to(&served).await.status, 200, "{header}");
    }
    other.register(&served, &acme);
    let ambiguous = pen.sign(&json!({ "alg": "EdDSA" }), &pen.claims(&served, &acme));
    assert_eq!(token().assertion(&ambiguous).to(&served).await.status, 401);
    // Another organization's agent has neither key.
    let foreign = pen.assertion(&served, &globex);
    assert_eq!(token().assertion(&foreign).to(&served).await.status, 401);
    served.test.finish();
}

#[tokio::test]
async fn an_assertion_is_used_once() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let pen = Pen::new(Alg::Es256);
    pen.register(&served, &acme);
    for path in ENDPOINTS {
        let assertion = pen.assertion(&served, &acme);
        let (one, two) = tokio::join!(
            request(path).assertion(&assertion).to(&served),
            request(path).assertion(&assertion).to(&served),
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{path}");
        for again in ENDPOINTS {
            assert_eq!(request(again).assertion(&assertion).to(&served).await.status, 401);
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_is_answered_as_a_wrong_secret() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let (pen, stranger) = (Pen::new(Alg::Es256), Pen::new(Alg::Es256));
    pen.register(&served, &acme);
    let wrong_secret = token().basic(acme.agent.client_id.as_str(), "x").to(&served).await;
    let mut assertions = with_wrong_claims(&pen, &pen.claims(&served, &acme));
    assertions.extend(with_wrong_headers(&pen, || pen.claims(&served, &acme)));
    // The key in the header is the stranger's, and nobody asked for it.
    let mut brought = stranger.header();
    brought["jwk"] = stranger.jwk();
    assertions.extend([
        stranger.sign(&brought, &pen.claims(&served, &acme)),
        stranger.sign(&pen.header(), &pen.claims(&served, &acme)),
        stranger.assertion(&served, &acme),
        pen.assertion(&served, &globex),
        symmetric(&pen, &pen.claims(&served, &acme)),
        "a.b.c".to_owned(),
    ]);
    for assertion in &assertions {
        let answer = token().assertion(assertion).to(&served).await;
        assert_eq!(answer.status, 401, "{assertion}");
        assert_eq!(answer.body, wrong_secret.body, "{assertion}");
    }
    let globex_id = globex.agent.client_id.as_str();
    let misnamed = token().with("client_id", globex_id).assertion(&pen.assertion(&served, &acme));
    assert_eq!(misnamed.to(&served).await.body, wrong_secret.body);
    served.test.idp.org(&acme.org.id).suspend_agent(&acme.agent.id).expect("suspended");
    let suspended = token().assertion(&pen.assertion(&served, &acme)).to(&served).await;
    assert_eq!(suspended.body, wrong_secret.body);
    served.test.finish();
}

/// Assertions that are right but for one claim. What is wrong is not used up, so they share a name.
fn with_wrong_claims(pen: &Pen, right: &Value) -> Vec<String> {
    let now = right["iat"].as_i64().expect("a time");
    let other = "https://other.example";
    let changed = [
        ("aud", json!(format!("{ISSUER}{TOKEN}"))),
        ("aud", json!(other)),
        ("aud", json!([ISSUER, other])),
        ("aud", json!([])),
        ("aud", json!(format!("{ISSUER}/"))),
        ("iss", json!(other)),
        ("sub", json!("01900000-0000-7000-8000-000000000001")),
        ("exp", json!(now - 61)),
        ("exp", json!(now + 24 * 3600)),
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("exp", json!(60.5)),
        ("iat", json!(now + 600)),
        ("nbf", json!(now + 600)),
        ("jti", json!("")),
        ("jti", json!("j".repeat(300))),
    ];
    let changed = changed.into_iter().map(|(name, value)| {
        let mut claims = right.clone();
        claims[name] = value;
        claims
    });
    let absent = ["iss", "sub", "aud", "exp", "jti"].into_iter().map(|name| {
        let mut claims = right.clone();
        claims.as_object_mut().expect("claims").remove(name);
        claims
    });
    changed.chain(absent).map(|claims| pen.sign(&pen.header(), &claims)).collect()
}

/// Assertions that are right but for one member of the header.
fn with_wrong_headers(pen: &Pen, claims: impl Fn() -> Value) -> Vec<String> {
    let changed = [
        ("alg", json!("none")),
        ("alg", json!("RS256")),
        ("typ", json!("at+jwt")),
        ("typ", json!("dpop+jwt")),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("' OR 1=1 --")),
        ("crit", json!(["unheard-of"])),
    ];
    let signed = changed.into_iter().map(|(name, value)| {
        let mut header = pen.header();
        header[name] = value;
        pen.sign(&header, &claims())
    });
    signed.collect()
}

/// An assertion with a MAC whose key is the public key itself.
fn symmetric(pen: &Pen, claims: &Value) -> String {
    let header = json!({ "alg": "HS256", "kid": pen.kid() });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", encode(&header), encode(claims));
    let mac = hmac_sha256(pen.jwk().to_string().as_bytes(), &[input.as_bytes()]);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac))
}

#[tokio::test]
async fn a_secret_is_no_assertion_and_a_key_is_no_secret() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let pen = Pen::new(Alg::Es256);
    pen.register(&served, &acme);
    let refused =
        |answer: &Answer| answer.status == 401 && answer.json()["error"] == "invalid_client";
    let assertion = pen.assertion(&served, &acme);
    let as_secret = token().basic(acme.agent.client_id.as_str(), &assertion).to(&served).await;
    assert!(refused(&as_secret), "{as_secret:?}");
    let as_assertion = token().assertion(acme.credential.secret()).to(&served).await;
    assert!(refused(&as_assertion), "{as_assertion:?}");
    served.test.finish();
}
