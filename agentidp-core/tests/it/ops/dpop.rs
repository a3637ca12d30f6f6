//! Tokens that are bound to a key (RFC 9449).

use agentidp_core::crypto::Alg;
use agentidp_core::{
    AccessError, DpopProof, ErrorCode, IntrospectionRequest, PresentedToken, TokenResponse,
};
use agentidp_testkit::{ISSUER, Tenant, TestIdp};
use serde_json::{Value, json};
use std::time::Duration;

use super::Engine;
use super::key_holder::{KeyHolder, TOKEN_URL, seconds};

super::on_every_engine!(
    a_token_is_bound_to_the_key_that_was_proven,
    a_bound_token_is_no_bearer_token_and_the_other_way_round,
    a_proof_is_used_once,
    a_used_proof_is_remembered_for_as_long_as_it_could_be_used,
    what_is_not_a_proof_for_this_request_binds_nothing,
    the_longest_name_and_url_of_a_proof_are_taken,
    a_nonce_is_ours_and_recent,
);

const URL: &str = "https://idp.example.com/agents";

fn bound(test: &TestIdp, tenant: &Tenant, proof: DpopProof) -> TokenResponse {
    test.idp.token(&tenant.request().scope("openid").resource(ISSUER).dpop(proof)).unwrap()
}

fn a_token_is_bound_to_the_key_that_was_proven(engine: Engine) {
    let test = engine.idp();
    let (acme, _) = test.two_orgs();
    for alg in [Alg::Es256, Alg::EdDsa] {
        let holder = KeyHolder::new(alg);
        let token = bound(&test, &acme, holder.proof(&test, "a"));
        assert_eq!(token.token_type, "DPoP");
        let question = IntrospectionRequest::new(token.access_token.as_str());
        let question = question.client(&acme.agent.id, acme.credential.secret());
        let answer = test.idp.introspect(&question).unwrap();
        assert_eq!(answer.token_type, Some("DPoP"));
        assert_eq!(answer.cnf, Some(json!({ "jkt": holder.kid() })));
        let proof = holder.proof_with(&test, &token.access_token, URL, "b");
        let presented = PresentedToken::dpop(token.access_token.as_str(), proof);
        let theirs = test.idp.on_behalf_of(presented).unwrap().org(&acme.org.id);
        assert_eq!(theirs.get().unwrap().id, acme.org.id);
        let proof = holder.proof_with(&test, &token.access_token, URL, "c");
        let presented = PresentedToken::dpop(token.access_token.as_str(), proof);
        assert_eq!(test.idp.agent_info(presented).unwrap().sub, acme.agent.id.as_str());
    }
    assert_eq!(test.idp.token(&acme.request()).unwrap().token_type, "Bearer");
    test.finish();
}

fn a_bound_token_is_no_bearer_token_and_the_other_way_round(engine: Engine) {
    let test = engine.idp();
    let (acme, _) = test.two_orgs();
    let (holder, other) = (KeyHolder::new(Alg::Es256), KeyHolder::new(Alg::Es256));
    let token = bound(&test, &acme, holder.proof(&test, "a")).access_token;
    let as_bearer = test.idp.on_behalf_of(&token).unwrap_err();
    assert_eq!(as_bearer.code(), ErrorCode::InvalidToken);
    assert!(test.idp.agent_info(&token).is_err());
    assert!(test.idp.verifier().verify_access_token(&token, ISSUER).is_err(), "offline neither");
    let proof = other.proof_with(&test, &token, URL, "b");
    assert!(test.idp.on_behalf_of(PresentedToken::dpop(token.as_str(), proof)).is_err());
    let plain = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    let proof = holder.proof_with(&test, &plain, URL, "c");
    assert!(test.idp.on_behalf_of(PresentedToken::dpop(plain.as_str(), proof)).is_err());
    // A proof for another token does not go with this one.
    let proof = holder.proof_with(&test, &plain, URL, "d");
    let refused = test.idp.on_behalf_of(PresentedToken::dpop(token.as_str(), proof)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidDpopProof);
    test.finish();
}

fn a_proof_is_used_once(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let holder = KeyHolder::new(Alg::EdDsa);
    let other = test.reopen();
    let token = bound(&test, &acme, holder.proof(&test, "a")).access_token;
    for idp in [&test.idp, &other] {
        let again = idp.token(&acme.request().dpop(holder.proof(&test, "a"))).unwrap_err();
        assert_eq!(again.code(), ErrorCode::InvalidDpopProof);
    }
    // Each organization remembers its own, and a key may call two proofs by one name if it is two keys.
    bound(&test, &globex, holder.proof(&test, "a"));
    bound(&test, &acme, KeyHolder::new(Alg::EdDsa).proof(&test, "a"));
    let present = |jti| {
        let proof = holder.proof_with(&test, &token, URL, jti);
        test.idp.on_behalf_of(PresentedToken::dpop(token.as_str(), proof))
    };
    present("b").unwrap();
    assert!(matches!(present("b"), Err(AccessError::ProofUsed)));
    present("c").unwrap();
    test.finish();
}

fn a_used_proof_is_remembered_for_as_long_as_it_could_be_used(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let holder = KeyHolder::new(Alg::Es256);
    let made_now = ["used", "unused"].map(|jti| KeyHolder::proof_claims(&test, jti));
    let [used, unused] = made_now.each_ref().map(|claims| holder.proof_of(claims));
    bound(&test, &acme, used);
    // The last second in which it is not too old, with all forgotten that may be.
    test.clock.step(Duration::from_secs(60));
    test.idp.tick().unwrap();
    let again = test.idp.token(&acme.request().dpop(holder.proof_of(&made_now[0]))).unwrap_err();
    assert_eq!(again.code(), ErrorCode::InvalidDpopProof);
    bound(&test, &acme, unused);
    test.finish();
}

fn what_is_not_a_proof_for_this_request_binds_nothing(engine: Engine) {
    let test = engine.idp();
    let (acme, _) = test.two_orgs();
    let holder = KeyHolder::new(Alg::Es256);
    let now = seconds(&test);
    let with = |name: &str, value: Value| {
        let mut claims = KeyHolder::proof_claims(&test, name);
        claims[name] = value;
        holder.proof_of(&claims)
    };
    let headed = |header: Value| {
        let claims = KeyHolder::proof_claims(&test, "header");
        DpopProof::new(holder.sign(header, &claims), "POST", TOKEN_URL)
    };
    let mut private = holder.jwk();
    private["d"] = json!("AAAA");
    let stranger = KeyHolder::new(Alg::Es256).jwk();
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });
    let wrong = [
        ("nothing", DpopProof::new("", "POST", TOKEN_URL)),
        ("another method", with("htm", json!("GET"))),
        ("a method in small letters", with("htm", json!("post"))),
        ("another URL", with("htu", json!("https://idp.example.com/oauth2/revoke"))),
        ("another host", with("htu", json!("https://idp.example.org/oauth2/token"))),
        ("plain http", with("htu", json!("http://idp.example.com/oauth2/token"))),
        ("no URL at all", with("htu", json!("/oauth2/token"))),
        ("a URL too long", with("htu", json!(url_of(2049)))),
        ("too old", with("iat", json!(now - 61))),
        ("from the future", with("iat", json!(now + 61))),
        ("a time as text", with("iat", json!("1"))),
        ("no name", with("jti", json!(""))),
        ("a name too long", with("jti", json!("x".repeat(256)))),
        ("another type", headed(json!({ "typ": "JWT", "jwk": holder.jwk() }))),
        ("no type", headed(json!({ "jwk": holder.jwk() }))),
        ("no key", headed(json!({ "typ": "dpop+jwt" }))),
        ("a private key", headed(json!({ "typ": "dpop+jwt", "jwk": private }))),
        ("a symmetric key", headed(json!({ "typ": "dpop+jwt", "jwk": symmetric }))),
        ("somebody else's key", headed(json!({ "typ": "dpop+jwt", "jwk": stranger }))),
        ("none", headed(json!({ "typ": "dpop+jwt", "jwk": holder.jwk(), "alg": "none" }))),
        ("a MAC", headed(json!({ "typ": "dpop+jwt", "jwk": holder.jwk(), "alg": "HS256" }))),
    ];
    for (what, proof) in wrong {
        let refused = test.idp.token(&acme.request().dpop(proof)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidDpopProof, "{what}");
    }
    // URLs are compared as URLs, and queries do not count (RFC 9449 section 4.3).
    let same =
        ["https://IDP.example.com:443/oauth2/token", "https://idp.example.com/oauth2/token?a#b"];
    for url in same {
        let mut claims = KeyHolder::proof_claims(&test, url);
        claims["htu"] = json!(url);
        bound(&test, &acme, holder.proof_of(&claims));
    }
    for skew in [-60, 60] {
        let mut claims = KeyHolder::proof_claims(&test, &format!("{skew}"));
        claims["iat"] = json!(seconds(&test) + skew);
        bound(&test, &acme, holder.proof_of(&claims));
    }
    test.finish();
}

/// The URL that proofs for tokens are made for, with a query that makes it so many bytes long.
fn url_of(bytes: usize) -> String {
    format!("{TOKEN_URL}?{}", "q".repeat(bytes - TOKEN_URL.len() - 1))
}

fn the_longest_name_and_url_of_a_proof_are_taken(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let holder = KeyHolder::new(Alg::Es256);
    for (name, longest) in [("jti", "x".repeat(255)), ("htu", url_of(2048))] {
        let mut claims = KeyHolder::proof_claims(&test, name);
        claims[name] = json!(longest);
        bound(&test, &acme, holder.proof_of(&claims));
    }
    test.finish();
}

fn a_nonce_is_ours_and_recent(engine: Engine) {
    let test = engine.idp();
    let (acme, _) = test.two_orgs();
    let holder = KeyHolder::new(Alg::Es256);
    let proof = |jti: &str, nonce: Option<&str>| {
        let mut claims = KeyHolder::proof_claims(&test, jti);
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        holder.proof_of(&claims)
    };
    let code = |proof| test.idp.token(&acme.request().dpop(proof)).err().map(|error| error.code());
    // The test clock begins with a period: this one is taken at the end of it, and used in the next.
    test.clock.step(Duration::from_secs(119));
    let nonce = test.idp.dpop_nonce().unwrap();
    assert_eq!(test.reopen().dpop_nonce().unwrap(), nonce, "each process takes the others'");
    let missing = Some(ErrorCode::UseDpopNonce);
    assert_eq!(code(proof("a", None).require_nonce(true)), missing);
    assert_eq!(code(proof("b", Some("another")).require_nonce(true)), missing);
    assert_eq!(code(proof("c", Some("another"))), missing, "one that is there is looked at");
    assert_eq!(code(proof("d", Some(&nonce)).require_nonce(true)), None);
    assert_eq!(code(proof("e", None)), None);
    test.clock.step(Duration::from_secs(119));
    assert_eq!(code(proof("f", Some(&nonce)).require_nonce(true)), None);
    test.clock.step(Duration::from_secs(121));
    assert_eq!(code(proof("g", Some(&nonce)).require_nonce(true)), missing);
    test.finish();
}
