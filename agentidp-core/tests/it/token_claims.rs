//! Attacks on the claims of a token that is signed properly. The numbers are rows of the attack table.

use agentidp_core::Timestamp;
use agentidp_core::jose::VerifyError;
use agentidp_core::oidc::{SingleUse, at_hash, bound_key, bound_to};
use agentidp_core::verify::ProvenKey;
use serde_json::{Value, json};

use crate::common::{
    AUDIENCE, CLIENT, FixedClock, ISSUER, Issuer, NOW, claims, claims_with, claims_without,
};

fn error_of(name: &str, value: Value) -> VerifyError {
    let issuer = Issuer::one();
    issuer.verify(&issuer.sign_claims(&claims_with(name, value))).unwrap_err()
}

fn accepts(name: &str, value: Value) {
    let issuer = Issuer::one();
    let claims = claims_with(name, value);
    assert!(issuer.verify(&issuer.sign_claims(&claims)).is_ok(), "{claims}");
}

/// Row 35.
#[test]
fn a_claim_twice_is_refused_at_every_depth() {
    let issuer = Issuer::one();
    for extra in [
        r#""organization_id":"another","#,
        r#""exp":1,"#,
        r#""unknown":1,"unknown":1,"#,
        r#""act":{"sub":"a","sub":"b"},"#,
        r#""unknown":[{"a":1,"a":1}],"#,
    ] {
        let payload = claims().to_string().replacen('{', &format!("{{{extra}"), 1);
        let token = issuer.sign(&issuer.header().to_string(), &payload);
        assert_eq!(issuer.verify(&token).unwrap_err(), VerifyError::Payload, "{extra}");
    }
}

/// Row 36.
#[test]
fn an_escaped_name_is_the_name() {
    let issuer = Issuer::one();
    let header = issuer.header().to_string();
    let escaped = claims().to_string().replace("\"iss\"", "\"\\u0069ss\"");
    assert_eq!(issuer.verify(&issuer.sign(&header, &escaped)).unwrap().iss, ISSUER);
    let twice = claims().to_string().replacen('{', "{\"\\u0069ss\":\"https://evil.example\",", 1);
    assert_eq!(issuer.verify(&issuer.sign(&header, &twice)).unwrap_err(), VerifyError::Payload);
}

/// Row 45.
#[test]
fn times_are_integers_between_1970_and_9999() {
    let beyond = Timestamp::MAX.as_seconds() + 1;
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!((NOW + 60).to_string()),
            json!(-1),
            json!(NOW as f64),
            json!(NOW as f64 + 0.5),
            json!(beyond),
            json!(u64::MAX),
            json!(i64::MIN),
            Value::Null,
            json!([NOW]),
            json!(true),
        ] {
            assert_eq!(error_of(name, value.clone()), VerifyError::Claim(name), "{name} {value}");
        }
    }
    let issuer = Issuer::one();
    for number in ["1e300", "1e400", "1e3", "-0", "0x10", "1_000"] {
        let payload =
            claims_with("exp", json!(7)).to_string().replace(":7,", &format!(":{number},"));
        assert!(issuer.verify(&issuer.sign(&issuer.header().to_string(), &payload)).is_err());
    }
}

/// Rows 46, 51 and 55, and what RFC 9068 section 2.2 requires.
#[test]
fn required_claims_are_required() {
    let issuer = Issuer::one();
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "organization_id"] {
        let error = issuer.verify(&issuer.sign_claims(&claims_without(name))).unwrap_err();
        assert_eq!(error, VerifyError::Claim(name), "{name}");
        let error = error_of(name, json!(""));
        assert_eq!(error, VerifyError::Claim(name), "{name} empty");
    }
    for name in ["scope", "agent_did"] {
        assert!(issuer.verify(&issuer.sign_claims(&claims_without(name))).is_ok());
        assert_eq!(error_of(name, json!(["a"])), VerifyError::Claim(name));
    }
}

/// Row 47.
#[test]
fn a_life_beyond_the_limit_is_refused() {
    let day = 24 * 3600;
    accepts("exp", json!(NOW + day));
    assert_eq!(error_of("exp", json!(NOW + day + 1)), VerifyError::LifeTooLong);
    assert_eq!(error_of("exp", json!(Timestamp::MAX.as_seconds())), VerifyError::LifeTooLong);
    assert_eq!(error_of("iat", json!(0)), VerifyError::LifeTooLong);
    let issuer = Issuer::one();
    let verifier = issuer.verifier.clone().life_seconds_max(300);
    let error = verifier.verify_access_token(&issuer.valid_token(), AUDIENCE).unwrap_err();
    assert_eq!(error, VerifyError::LifeTooLong);
    // Nobody can ask for a life without bound, or for none at all.
    let beyond = issuer.sign_claims(&claims_with("exp", json!(NOW + day + 1)));
    let lax = issuer.verifier.clone().life_seconds_max(i64::MAX);
    let error = lax.verify_access_token(&beyond, AUDIENCE).unwrap_err();
    assert_eq!(error, VerifyError::LifeTooLong);
    let second = issuer.sign_claims(&claims_with("exp", json!(NOW + 1)));
    for seconds in [1, 0, i64::MIN] {
        let strict = issuer.verifier.clone().life_seconds_max(seconds);
        assert!(strict.verify_access_token(&second, AUDIENCE).is_ok(), "{seconds}");
    }
}

/// Rows 48, 49 and 50: the boundaries, one second to each side.
#[test]
fn the_skew_is_sixty_seconds_and_the_end_is_exclusive() {
    let issuer = Issuer::one();
    let with_times = |exp: i64, iat: i64| {
        let mut claims = claims_with("exp", json!(exp));
        claims["iat"] = json!(iat);
        issuer.verify(&issuer.sign_claims(&claims)).map(|_| ())
    };
    assert_eq!(with_times(NOW - 59, NOW - 600), Ok(()));
    assert_eq!(with_times(NOW - 60, NOW - 600), Err(VerifyError::Expired));
    assert_eq!(with_times(NOW - 61, NOW - 600), Err(VerifyError::Expired));
    assert_eq!(with_times(NOW + 600, NOW + 60), Ok(()));
    assert_eq!(with_times(NOW + 600, NOW + 61), Err(VerifyError::NotYetValid));
    assert_eq!(with_times(NOW, NOW), Err(VerifyError::Claim("exp")));
    accepts("nbf", json!(NOW + 60));
    assert_eq!(error_of("nbf", json!(NOW + 61)), VerifyError::NotYetValid);
    assert_eq!(error_of("nbf", json!(NOW + 86_400)), VerifyError::NotYetValid);
    // A good `nbf` makes up for no `iat` of the future.
    let mut claims = claims_with("nbf", json!(NOW));
    claims["iat"] = json!(NOW + 61);
    let error = issuer.verify(&issuer.sign_claims(&claims)).unwrap_err();
    assert_eq!(error, VerifyError::NotYetValid);
}

/// Row 85: a clock before the epoch, which reads as the epoch, and one at the end of time.
#[test]
fn a_clock_at_either_end_of_time_refuses_and_does_not_panic() {
    let issuer = Issuer::one();
    let token = issuer.valid_token();
    for (seconds, error) in [
        (0, VerifyError::NotYetValid),
        (i64::MIN / 1_000_000, VerifyError::NotYetValid),
        (i64::MAX / 1_000_000, VerifyError::Expired),
    ] {
        let verifier = issuer.verifier.clone().clock(std::sync::Arc::new(FixedClock(seconds)));
        let refused = verifier.verify_access_token(&token, AUDIENCE);
        assert_eq!(refused.unwrap_err(), error, "{seconds}");
    }
}

/// Row 50: nobody can ask for a skew without bound.
#[test]
fn the_skew_can_be_made_smaller_but_not_larger() {
    let issuer = Issuer::one();
    let mut claims = claims_with("exp", json!(NOW));
    claims["iat"] = json!(NOW - 600);
    let token = issuer.sign_claims(&claims);
    let strict = issuer.verifier.clone().skew_seconds(0);
    assert_eq!(strict.verify_access_token(&token, AUDIENCE).unwrap_err(), VerifyError::Expired);
    claims["exp"] = json!(NOW - 60);
    let token = issuer.sign_claims(&claims);
    for seconds in [61, i64::MAX] {
        let lax = issuer.verifier.clone().skew_seconds(seconds);
        assert_eq!(lax.verify_access_token(&token, AUDIENCE).unwrap_err(), VerifyError::Expired);
    }
}

/// Row 52.
#[test]
fn an_audience_of_another_type_is_refused() {
    for aud in [
        json!(7),
        json!({}),
        json!([AUDIENCE, 7]),
        Value::Null,
        json!([]),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, ""]),
        json!([AUDIENCE, null]),
        json!(true),
    ] {
        assert_eq!(error_of("aud", aud.clone()), VerifyError::Claim("aud"), "{aud}");
    }
}

/// Rows 53 and 54.
#[test]
fn an_audience_is_compared_whole() {
    accepts("aud", json!([AUDIENCE]));
    accepts("aud", json!(["https://other.example", AUDIENCE]));
    for aud in [
        format!("{AUDIENCE}/"),
        format!("{AUDIENCE}.evil"),
        AUDIENCE.to_uppercase(),
        AUDIENCE.replace("https", "http"),
        AUDIENCE[..AUDIENCE.len() - 1].to_owned(),
        format!("{AUDIENCE}:443"),
        format!(" {AUDIENCE}"),
        format!("{AUDIENCE} {AUDIENCE}"),
    ] {
        assert_eq!(error_of("aud", json!(aud)), VerifyError::Audience, "{aud}");
        assert_eq!(error_of("aud", json!([aud])), VerifyError::Audience, "{aud}");
    }
}

/// Rows 55, 56 and 57.
#[test]
fn the_issuer_is_one_string_compared_byte_by_byte() {
    for iss in
        [json!(["https://evil.example", ISSUER]), json!([ISSUER]), json!(1), json!({}), Value::Null]
    {
        assert_eq!(error_of("iss", iss.clone()), VerifyError::Claim("iss"), "{iss}");
    }
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        format!("{ISSUER}:443"),
        ISSUER.replace("https", "http"),
        format!("{ISSUER}.evil"),
        format!("{ISSUER} "),
        "https://idp.ex\u{430}mple.com".to_owned(),
    ] {
        assert_eq!(error_of("iss", json!(iss)), VerifyError::Issuer, "{iss}");
    }
}

/// Rows 24 and 58: each issuer's keys verify that issuer's tokens and no other's.
#[test]
fn another_issuers_key_verifies_nothing_here() {
    let (one, other) = (Issuer::one(), Issuer::one());
    let mut header = other.header();
    assert_eq!(one.verify(&other.valid_token()).unwrap_err(), VerifyError::UnknownKey);
    header["kid"] = json!(one.kid());
    assert_eq!(one.verify(&other.sign_header(&header)).unwrap_err(), VerifyError::Signature);
}

/// Row 82: one code for all.
#[test]
fn strangers_learn_one_code() {
    for error in [error_of("iss", json!("x")), error_of("exp", json!(1)), error_of("aud", json!(1))]
    {
        assert_eq!(error.code(), agentidp_core::ErrorCode::InvalidToken);
    }
}

fn id_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": CLIENT, "aud": CLIENT, "exp": NOW + 3600, "iat": NOW,
        "organization_id": "o", "agent_did": "did:web:a", "agent_name": "invoice-bot",
    })
}

fn id_token(issuer: &Issuer, claims: &Value) -> String {
    let mut header = issuer.header();
    header["typ"] = json!("JWT");
    issuer.sign(&header.to_string(), &claims.to_string())
}

#[test]
fn an_id_token_is_for_its_client_alone_and_no_access_token() {
    for issuer in Issuer::all() {
        let token = id_token(&issuer, &id_claims());
        assert_eq!(issuer.verify_id(&token).unwrap().agent_name, "invoice-bot");
        assert_eq!(issuer.verify(&token).unwrap_err(), VerifyError::Type);
        assert_eq!(issuer.verify_id(&issuer.valid_token()).unwrap_err(), VerifyError::Type);
    }
    let issuer = Issuer::one();
    for aud in [json!([CLIENT, "another"]), json!("another")] {
        let mut claims = id_claims();
        claims["aud"] = aud;
        let error = issuer.verify_id(&id_token(&issuer, &claims)).unwrap_err();
        assert_eq!(error, VerifyError::Audience);
    }
    for name in ["iss", "sub", "aud", "exp", "iat", "organization_id", "agent_did", "agent_name"] {
        let mut claims = id_claims();
        claims.as_object_mut().unwrap().remove(name);
        let error = issuer.verify_id(&id_token(&issuer, &claims)).unwrap_err();
        assert_eq!(error, VerifyError::Claim(name));
    }
}

#[test]
fn written_claims_are_read_back() {
    let issuer = Issuer::one();
    let mut source = claims_with("may_act", json!({"sub": "y"}));
    source["act"] = json!({"sub": "x"});
    source["nbf"] = json!(NOW);
    let claims = issuer.verify(&issuer.sign_claims(&source)).unwrap();
    let written: Value = serde_json::from_slice(&claims.to_payload()).unwrap();
    assert_eq!(written, source);
    assert_eq!(claims.to_payload(), serde_json::to_vec(&claims).unwrap());
    for name in ["cnf", "act", "may_act"] {
        assert_eq!(error_of(name, json!("text")), VerifyError::Claim(name));
    }
    // Whatever a token is bound to, it is no bearer token (RFC 9449 section 7.2).
    for cnf in [json!({"jkt": "abc"}), json!({}), json!({"jwk": {}})] {
        assert_eq!(error_of("cnf", cnf), VerifyError::ProofMissing);
    }
}

/// What we cannot check we do not ignore.
#[test]
fn a_confirmation_names_one_key_and_says_nothing_else() {
    for cnf in [
        json!({}),
        json!({"jwk": {}}),
        json!({"jkt": 1}),
        json!({"jkt": "own", "x5t#S256": "another"}),
        json!("own"),
        Value::Null,
    ] {
        assert_eq!(bound_key(Some(&cnf)), Err(VerifyError::Claim("cnf")), "{cnf}");
    }
    assert_eq!(bound_key(Some(&bound_to("own"))), Ok(Some("own")));
    assert_eq!(bound_key(None), Ok(None));
}

/// The key of that thumbprint, which somebody proved to have.
fn proven(jkt: &str) -> ProvenKey {
    let single_use = SingleUse { jti_hash: [0; 32], until: Timestamp::from_seconds(NOW) };
    ProvenKey { jkt: jkt.to_owned(), nonce: None, single_use }
}

#[test]
fn a_bound_token_goes_with_its_own_key_alone() {
    for issuer in Issuer::all() {
        let token = issuer.sign_claims(&claims_with("cnf", bound_to("own")));
        let verify = |token: &str, jkt: &str| {
            issuer.verifier.verify_bound_access_token(token, AUDIENCE, &proven(jkt))
        };
        assert_eq!(verify(&token, "own").unwrap().cnf, Some(bound_to("own")));
        for other in ["another", "OWN", "own ", ""] {
            assert_eq!(verify(&token, other), Err(VerifyError::ProofMismatch), "{other}");
        }
        // A bearer token is bound to no key, and none makes it better.
        assert_eq!(verify(&issuer.valid_token(), "own"), Err(VerifyError::ProofMismatch));
        for cnf in [json!({}), json!({"jkt": "own", "x5t#S256": "another"})] {
            let unclear = issuer.sign_claims(&claims_with("cnf", cnf.clone()));
            assert_eq!(verify(&unclear, "own"), Err(VerifyError::Claim("cnf")), "{cnf}");
        }
    }
}

#[test]
fn a_bound_token_is_verified_as_any_other_besides() {
    let issuer = Issuer::one();
    let bound = |name: &str, value: Value| {
        let mut claims = claims_with("cnf", bound_to("own"));
        claims[name] = value;
        claims
    };
    let error = |token: &str| {
        let verified = issuer.verifier.verify_bound_access_token(token, AUDIENCE, &proven("own"));
        verified.unwrap_err()
    };
    for (claims, expected) in [
        (bound("aud", json!("https://other.example")), VerifyError::Audience),
        (bound("iss", json!("https://evil.example")), VerifyError::Issuer),
        (bound("nbf", json!(NOW + 61)), VerifyError::NotYetValid),
        (bound("exp", json!(NOW + 24 * 3600 + 1)), VerifyError::LifeTooLong),
        (bound("jti", Value::Null), VerifyError::Claim("jti")),
    ] {
        assert_eq!(error(&issuer.sign_claims(&claims)), expected, "{claims}");
    }
    let mut over = bound("exp", json!(NOW - 60));
    over["iat"] = json!(NOW - 600);
    assert_eq!(error(&issuer.sign_claims(&over)), VerifyError::Expired);
    let good = bound("iat", json!(NOW));
    assert_eq!(error(&Issuer::one().sign_claims(&good)), VerifyError::UnknownKey);
    let mut header = issuer.header();
    header["typ"] = json!("JWT");
    let no_access_token = issuer.sign(&header.to_string(), &good.to_string());
    assert_eq!(error(&no_access_token), VerifyError::Type);
    let elsewhere = issuer.verifier.clone().organization("another");
    let token = issuer.sign_claims(&good);
    let foreign = elsewhere.verify_bound_access_token(&token, AUDIENCE, &proven("own"));
    assert_eq!(foreign, Err(VerifyError::Organization));
}

#[test]
fn at_hash_takes_the_left_half_of_the_algorithms_hash() {
    for (alg, length) in [("ES256", 22), ("RS256", 22), ("EdDSA", 43)] {
        let alg = agentidp_core::crypto::Alg::parse(alg).unwrap();
        assert_eq!(at_hash(alg, "token").len(), length);
    }
}
