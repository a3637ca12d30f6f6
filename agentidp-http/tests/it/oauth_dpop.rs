//! Tokens that are bound to a key (RFC 9449).

use agentidp_core::{Alg, NewAgent, NewCredential};
use agentidp_http::{App, AppOptions};
use agentidp_testkit::Tenant;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::forms::{INTROSPECT, Post, TOKEN, parts, post, token};
use crate::pen::Pen;
use crate::served::{Answer, Served, answer_of};

const INFO: &str = "/agent-info";

/// A request for a bound token.
fn bound(served: &Served, tenant: &Tenant, pen: &Pen) -> Post {
    let request = token().with("scope", "openid").by(tenant);
    request.field("dpop", pen.proof(served, "POST", TOKEN))
}

async fn token_of(served: &Served, tenant: &Tenant, pen: &Pen) -> String {
    let answer = bound(served, tenant, pen).to(served).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

fn question(scheme: &str, token: &str, proofs: &[&str]) -> Request<Body> {
    let mut request = Request::get(INFO).header("authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    request.body(Body::empty()).expect("a request")
}

fn challenges(answer: &Answer) -> Vec<String> {
    let fields = answer.headers.get_all("www-authenticate").iter();
    fields.map(|field| field.to_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_bound_to_the_key_of_the_proof() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    for alg in Alg::ALL {
        let pen = Pen::new(*alg);
        let body = bound(&served, &acme, &pen).to(&served).await.json();
        assert_eq!(body["token_type"], "DPoP", "{alg}");
        let token = body["access_token"].as_str().expect("a token");
        assert_eq!(parts(token).1["cnf"], json!({ "jkt": pen.kid() }));
        let told = post(INTROSPECT).with("token", token).by(&acme).to(&served).await.json();
        assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("DPoP")));
        assert_eq!(told["cnf"]["jkt"], pen.kid());
        let proof = pen.sign(&pen.proof_header(), &pen.claims_with(&served, INFO, token));
        let answer = served.send(question("DPoP", token, &[&proof])).await;
        assert_eq!(answer.status, 200, "{alg}: {answer:?}");
    }
    served.test.finish();
}

#[tokio::test]
async fn a_bound_token_is_of_no_use_without_its_key() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let (pen, thief) = (Pen::new(Alg::Es256), Pen::new(Alg::Es256));
    let bound = token_of(&served, &acme, &pen).await;
    let plain = served.token_of(&acme, "openid").await;
    let plain = plain["access_token"].as_str().expect("a token");
    let proof = |pen: &Pen, token: &str| {
        pen.sign(&pen.proof_header(), &pen.claims_with(&served, INFO, token))
    };
    for request in [
        question("Bearer", &bound, &[]),
        question("Bearer", &bound, &[&proof(&pen, &bound)]),
        question("DPoP", &bound, &[&proof(&thief, &bound)]),
        question("DPoP", plain, &[&proof(&pen, plain)]),
    ] {
        let answer = served.send(request).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let challenges = challenges(&answer);
        assert_eq!(challenges.len(), 2);
        assert!(challenges[0].starts_with("Bearer ") && challenges[1].starts_with("DPoP "));
        assert!(challenges[1].contains("algs=\"ES256 EdDSA Ed25519 RS256\""), "{challenges:?}");
        assert!(challenges.iter().all(|challenge| challenge.contains("error=\"invalid_token\"")));
    }
    served.test.finish();
}

#[tokio::test]
async fn a_proof_is_for_one_request() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let pen = Pen::new(Alg::Es256);
    let token = token_of(&served, &acme, &pen).await;
    let good = || pen.claims_with(&served, INFO, &token);
    let changed = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        pen.sign(&pen.proof_header(), &claims)
    };
    let now = good()["iat"].as_i64().expect("a time");
    let used = pen.sign(&pen.proof_header(), &good());
    assert_eq!(served.send(question("DPoP", &token, &[&used])).await.status, 200);
    let fresh = pen.sign(&pen.proof_header(), &good());
    let mut proofs = vec![
        vec![],
        vec![String::new()],
        vec![used],
        vec![fresh.clone(), fresh],
        vec!["a.b.c".to_owned()],
        vec![pen.proof(&served, "GET", INFO)],
        vec![changed("ath", json!("x"))],
        vec![changed("htm", json!("POST"))],
        vec![changed("htm", json!("get"))],
        vec![changed("htu", json!("https://evil.example/agent-info"))],
        vec![changed("htu", json!("https://idp.example.com/oauth2/token"))],
        vec![changed("iat", json!(now - 120))],
        vec![changed("iat", json!(now + 120))],
        vec![changed("jti", json!(""))],
    ];
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("typ", json!("JWT")),
        ("jwk", Pen::new(Alg::Es256).jwk()),
        ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        ("jwk", Value::Null),
    ] {
        let mut header = pen.proof_header();
        header[name] = value;
        proofs.push(vec![pen.sign(&header, &good())]);
    }
    for proofs in proofs {
        let texts: Vec<_> = proofs.iter().map(String::as_str).collect();
        let answer = served.send(question("DPoP", &token, &texts)).await;
        assert_eq!(answer.status, 401, "{proofs:?}");
        let challenges = challenges(&answer);
        assert_eq!(challenges.len(), 1, "{challenges:?}");
        assert!(challenges[0].starts_with("DPoP "));
        assert!(challenges[0].contains("error=\"invalid_dpop_proof\""), "{challenges:?}");
    }
    // Query and fragment do not count (RFC 9449 section 4.3).
    let with_query = changed("htu", json!("https://idp.example.com/agent-info?a=b#c"));
    assert_eq!(served.send(question("DPoP", &token, &[&with_query])).await.status, 200);
    served.test.finish();
}

#[tokio::test]
async fn a_token_request_with_a_bad_proof_is_refused() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let pen = Pen::new(Alg::Es256);
    let used = pen.proof(&served, "POST", TOKEN);
    let first = token().by(&acme).field("dpop", used.as_str()).to(&served).await;
    assert_eq!(first.status, 200, "{first:?}");
    let fresh = || pen.proof(&served, "POST", TOKEN);
    for request in [
        token().field("dpop", used.as_str()),
        token().field("dpop", fresh()).field("dpop", fresh()),
        token().field("dpop", ""),
        token().field("dpop", "a.b.c"),
        token().field("dpop", pen.proof(&served, "GET", TOKEN)),
        token().field("dpop", pen.proof(&served, "POST", INFO)),
    ] {
        let answer = request.by(&acme).to(&served).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.json()["error"], "invalid_dpop_proof");
        assert_eq!(answer.header("dpop-nonce"), "", "nobody asks for one");
    }
    // The URL is the issuer's, whatever the request says of the host.
    let request = token().by(&acme).field("host", "evil.example").field("dpop", fresh());
    assert_eq!(request.to(&served).await.status, 200);
    served.test.finish();
}

#[tokio::test]
async fn a_server_that_wants_nonces_hands_them_out() {
    let served = Served::new();
    let acme = served.test.tenant("acme");
    let options = AppOptions::default().require_dpop_nonces(true);
    let router = App::with_options(served.test.idp.clone(), options).expect("threads").router();
    let pen = Pen::new(Alg::Es256);
    let asked = |nonce: Option<&str>| {
        let mut claims = pen.proof_claims(&served, "POST", TOKEN);
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let proof = pen.sign(&pen.proof_header(), &claims);
        let request = token().with("scope", "openid").by(&acme).field("dpop", proof);
        request.request(axum::http::Method::POST)
    };
    let mut nonce = String::new();
    for wrong in [None, Some("made-up")] {
        let answer = answer_of(&router, asked(wrong)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.json()["error"], "use_dpop_nonce");
        nonce = answer.header("dpop-nonce").to_owned();
    }
    let answer = answer_of(&router, asked(Some(&nonce))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("dpop-nonce"), nonce, "for the next one");
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    let mut claims = pen.claims_with(&served, INFO, &token);
    let without = pen.sign(&pen.proof_header(), &claims);
    let answer = answer_of(&router, question("DPoP", &token, &[&without])).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("dpop-nonce"), nonce);
    let challenges = challenges(&answer);
    assert_eq!(challenges.len(), 1);
    assert!(challenges[0].starts_with("DPoP ") && challenges[0].contains("use_dpop_nonce"));
    claims["nonce"] = nonce.into();
    let with = pen.sign(&pen.proof_header(), &claims);
    assert_eq!(answer_of(&router, question("DPoP", &token, &[&with])).await.status, 200);
    served.test.finish();
}

#[tokio::test]
async fn an_assertion_and_a_proof_go_together() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let pen = Pen::new(Alg::EdDsa);
    let handle = served.test.idp.org(&acme.org.id);
    let agent =
        handle.register_agent(NewAgent::new("keyed").scope("tools:read")).expect("an agent");
    let credential =
        handle.issue_credential(&agent.id, NewCredential::default()).expect("a secret");
    let keyed = Tenant { org: acme.org.clone(), agent, credential };
    pen.register(&served, &keyed);
    let (assertion, proof) = (pen.assertion(&served, &keyed), pen.proof(&served, "POST", TOKEN));
    let request = || token().assertion(&assertion).field("dpop", proof.as_str());
    let answer = request().to(&served).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["token_type"]), (200, &json!("DPoP")));
    assert_eq!(request().to(&served).await.status, 401, "both were used");
    served.test.finish();
}
