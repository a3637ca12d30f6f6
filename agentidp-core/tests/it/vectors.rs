//! Replays `vectors/`, which programs in other languages can read as well.

use std::path::PathBuf;

use serde_json::Value;

/// The crate's package holds neither these tests nor the vectors.
fn read(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` in {value}"))
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn envelopes() {
    use agentidp_core::crypto::{DataKey, Place, open};
    use agentidp_core::{DataKeyId, OrgId, SecretBytes};

    let vectors = read("envelope/envelopes.json");
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 10);
    for case in cases {
        let id = DataKeyId::parse(text(case, "dataKeyId")).unwrap();
        let key = DataKey::new(id, SecretBytes::new(hex(text(case, "dataKey")))).unwrap();
        let organization_id = OrgId::parse(text(case, "organizationId")).unwrap();
        let place = Place {
            organization_id: &organization_id,
            table: text(case, "table"),
            column: text(case, "column"),
            row: text(case, "row"),
        };
        let opened = open(&key, &place, &hex(text(case, "envelope"))).ok();
        let expected = case["plaintext"].as_str().map(hex);
        assert_eq!(opened.map(|it| it.expose().to_vec()), expected, "{}", text(case, "name"));
    }
}

#[test]
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
fn tokens() {
    use crate::common::{FixedClock, providers};
    use agentidp_core::crypto::Alg;
    use agentidp_core::verify::{Jwks, Verifier};

    let vectors = read("jwt/access-tokens.json");
    let jwks = Jwks::parse(vectors["jwks"].to_string().as_bytes()).unwrap();
    let now = vectors["now"].as_i64().unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for provider in providers() {
        let verifier = Verifier::new(text(&vectors, "issuer"), &jwks, &provider).unwrap();
        let verifier = verifier.clock(std::sync::Arc::new(FixedClock(now)));
        for case in cases {
            let offered =
                Alg::parse(text(case, "keyAlg")).is_none_or(|alg| provider.algs().contains(&alg));
            let valid = case["valid"].as_bool().unwrap() && offered;
            let result =
                verifier.verify_access_token(text(case, "token"), text(&vectors, "audience"));
            assert_eq!(result.is_ok(), valid, "{}: {result:?}", text(case, "name"));
        }
    }
}
