//! What we accept, jsonwebtoken accepts: it shares the code of aws-lc's signatures with us and nothing
//! else, and with our other provider nothing at all.

use std::sync::LazyLock;

use agentidp_core::crypto::Alg;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{AUDIENCE, ISSUER, Issuer, claims};

/// What a careful user of jsonwebtoken would write.
fn oracle_accepts(issuer: &Issuer, token: &str) -> bool {
    let jwk = issuer.jwk();
    let member = |name: &str| jwk[name].as_str().unwrap();
    let (algorithm, key) = match issuer.alg() {
        Alg::Es256 => (Algorithm::ES256, DecodingKey::from_ec_components(member("x"), member("y"))),
        Alg::EdDsa => (Algorithm::EdDSA, DecodingKey::from_ed_components(member("x"))),
        _ => (Algorithm::RS256, DecodingKey::from_rsa_components(member("n"), member("e"))),
    };
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Our clock stands still; jsonwebtoken's cannot. The tests of times are elsewhere.
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(token, &key.unwrap(), &validation).is_ok()
}

/// One for each provider and algorithm; their keys are made once, since RSA's take long to find.
static ISSUERS: LazyLock<Vec<Issuer>> = LazyLock::new(Issuer::all);

#[test]
fn both_accept_valid_tokens() {
    let algs: Vec<Alg> = ISSUERS.iter().map(Issuer::alg).collect();
    assert!(algs.contains(&Alg::Es256) && algs.contains(&Alg::EdDsa) && algs.contains(&Alg::Rs256));
    for issuer in ISSUERS.iter() {
        for _ in 0..5 {
            let token = issuer.valid_token();
            assert!(issuer.verify(&token).is_ok() && oracle_accepts(issuer, &token));
        }
    }
}

/// A claim or header member, and what to put there.
fn member() -> impl Strategy<Value = (bool, &'static str, Value)> {
    let names = prop::sample::select(vec![
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "client_id",
        "scope",
        "typ",
        "alg",
        "kid",
        "crit",
        "b64",
        "cty",
        "x",
    ]);
    let values = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        Just(json!(ISSUER)),
        Just(json!(AUDIENCE)),
        Just(json!([AUDIENCE])),
        Just(json!([AUDIENCE, 1])),
        Just(json!([ISSUER, "x"])),
        Just(json!("at+jwt")),
        Just(json!("EdDSA")),
        Just(json!("Ed25519")),
        Just(json!("ES256")),
        Just(json!("RS256")),
        Just(json!({})),
    ];
    (any::<bool>(), names, values)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Signed properly, with members changed.
    #[test]
    fn changed_claims_and_headers(
        issuer in any::<prop::sample::Index>(),
        changes in prop::collection::vec(member(), 0..3),
    ) {
        let issuer = issuer.get(&ISSUERS);
        let (mut header, mut claims) = (issuer.header(), claims());
        for (in_header, name, value) in changes {
            if in_header { header[name] = value } else { claims[name] = value }
        }
        let token = issuer.sign(&header.to_string(), &claims.to_string());
        // jsonwebtoken does not know the name that RFC 9864 gave EdDSA; we accept both.
        if header["alg"] != "Ed25519" && issuer.verify(&token).is_ok() {
            prop_assert!(oracle_accepts(issuer, &token), "{} {}", header, claims);
        }
    }

    /// Bytes changed, left out or put in.
    #[test]
    fn changed_bytes(
        issuer in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, 32..127u8), 1..3),
    ) {
        let issuer = issuer.get(&ISSUERS);
        let original = issuer.valid_token();
        let mut bytes = original.clone().into_bytes();
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        let token = String::from_utf8(bytes).unwrap();
        if issuer.verify(&token).is_ok() {
            prop_assert!(oracle_accepts(issuer, &token), "{}", token);
            prop_assert_eq!(token, original, "nobody finds a second spelling by editing");
        }
    }
}
