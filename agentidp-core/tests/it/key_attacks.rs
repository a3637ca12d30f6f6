//! Attacks by keys: what the import policy must stop. The numbers are rows of the attack table.

use agentidp_core::crypto::{Alg, KeyError, PublicKey};
use agentidp_core::jose::{Jwk, JwkError, Jwks};
use agentidp_core::{ErrorCode, SystemRng};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::vectors::hex;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The key of RFC 8037 appendix A.2.
fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// The key of RFC 7515 appendix A.3.1.
fn ec() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

/// An odd number of this many bits. The policy looks at its form; its factors are nobody's business.
fn rsa(bits: usize) -> Value {
    let mut modulus = vec![0xa5; bits / 8];
    modulus[0] = 0x80;
    json!({"kty": "RSA", "n": encode(modulus), "e": "AQAB"})
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

fn parse(key: &Value) -> Result<Jwk, JwkError> {
    Jwk::parse(key.to_string().as_bytes())
}

fn parse_set(keys: &[Value]) -> Result<Jwks, JwkError> {
    Jwks::parse(json!({"keys": keys}).to_string().as_bytes())
}

/// A key that is refused for `reason`, alone and in a set that is refused with it.
fn refused(key: &Value, reason: &JwkError) {
    assert_eq!(parse(key).unwrap_err(), *reason, "{key}");
    assert_eq!(reason.code(), ErrorCode::InvalidKey);
    let error = parse_set(&[okp(), key.clone()]).unwrap_err();
    assert!(matches!(&error, JwkError::InSet { index: 1, source } if **source == *reason), "{key}");
    assert_eq!(error.code(), ErrorCode::InvalidKeySet);
}

/// A key that is refused alone, and passed over in a set.
fn passed_over(key: &Value) {
    assert_eq!(parse(key).unwrap_err(), JwkError::Unsupported, "{key}");
    let set = parse_set(&[key.clone(), okp()]).unwrap();
    assert_eq!((set.keys().len(), set.skipped()), (1, 1), "{key}");
}

#[test]
fn sound_keys_are_taken_and_written_back() {
    for key in [okp(), ec(), rsa(2048), rsa(4096), rsa(8192)] {
        let key = with(with(key, "kid", json!("a")), "use", json!("sig"));
        let jwk = parse(&key).unwrap();
        assert_eq!(jwk.kid(), Some("a"));
        let written = jwk.to_value();
        assert_eq!(parse(&written).unwrap(), jwk);
        for (name, value) in key.as_object().unwrap() {
            assert_eq!(written[name], *value);
        }
        assert_eq!(jwk.key().to_jwk()["kid"], jwk.key().thumbprint());
        assert!(parse(&with(key.clone(), "key_ops", json!(["verify"]))).is_ok());
        assert!(parse(&with(key, "alg", json!(jwk.key().alg().as_str()))).is_ok());
    }
    assert!(parse(&with(okp(), "alg", json!("Ed25519"))).is_ok());
}

/// Row 10: with such a key, one signature verifies for every message.
#[test]
fn ed25519_keys_of_low_order_are_refused() {
    for x in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        let key = with(okp(), "x", json!(encode(hex(x))));
        refused(&key, &JwkError::Key(KeyError::LowOrder));
    }
    // The same points in encodings that are not canonical: y = p and y = p + 1.
    for x in ["ed", "ee"] {
        let key = with(okp(), "x", json!(encode(hex(&format!("{x}{}7f", "ff".repeat(30))))));
        refused(&key, &JwkError::Key(KeyError::Coordinate));
    }
}

/// Rows 11 and 12.
#[test]
fn okp_keys_that_are_not_32_bytes_are_refused() {
    let good = decode(okp()["x"].as_str().unwrap());
    for length in [0, 1, 31, 33, 57, 64, 1000] {
        let bytes: Vec<u8> = good.iter().copied().cycle().take(length).collect();
        refused(&with(okp(), "x", json!(encode(bytes))), &JwkError::Key(KeyError::Coordinate));
    }
    for x in [json!(1), json!(["x"]), Value::Null, json!("11qY="), json!("+/+/"), json!(" ")] {
        refused(&with(okp(), "x", x), &JwkError::Member("x"));
    }
}

/// Row 13.
#[test]
fn the_curve_must_be_the_one_of_the_key_type() {
    passed_over(&with(okp(), "crv", json!("P-256")));
    passed_over(&with(okp(), "crv", json!("X25519")));
    passed_over(&with(okp(), "crv", json!("Ed448")));
    passed_over(&with(ec(), "crv", json!("P-384")));
    passed_over(&with(ec(), "crv", json!("secp256k1")));
    passed_over(&with(ec(), "crv", json!("Ed25519")));
    refused(&with(ec(), "crv", json!(256)), &JwkError::Member("crv"));
    passed_over(&with(okp(), "kty", json!("EC")));
    refused(&with(okp(), "y", json!("AA")), &JwkError::Member("y"));
}

/// Row 14.
#[test]
fn points_off_the_curve_are_refused() {
    let mut y = decode(ec()["y"].as_str().unwrap());
    y[31] ^= 1;
    refused(&with(ec(), "y", json!(encode(&y))), &JwkError::Key(KeyError::NotOnCurve));
    refused(&with(ec(), "x", json!(encode([0; 32]))), &JwkError::Key(KeyError::NotOnCurve));
    refused(&with(ec(), "x", json!(encode([0xff; 32]))), &JwkError::Key(KeyError::Coordinate));
    for length in [0, 31, 33] {
        let key = with(ec(), "y", json!(encode(vec![1; length])));
        refused(&key, &JwkError::Key(KeyError::Coordinate));
    }
    // y = 2 has no x on Ed25519.
    let mut off = [0; 32];
    off[0] = 2;
    refused(&with(okp(), "x", json!(encode(off))), &JwkError::Key(KeyError::NotOnCurve));
}

/// Row 15: certificates and curve parameters beside a key are not read.
#[test]
fn certificates_beside_a_key_change_nothing() {
    let plain = parse(&ec()).unwrap();
    let key = with(with(ec(), "x5c", json!(["MIIB"])), "x5u", json!("https://evil.example"));
    assert_eq!(parse(&key).unwrap(), plain);
}

/// Row 16.
#[test]
fn rsa_keys_that_are_too_short_or_too_long_are_refused() {
    for bits in [512, 1024, 2040, 8200, 16384] {
        refused(&rsa(bits), &JwkError::Key(KeyError::RsaModulus));
    }
    let mut long = [0xa5; 1025];
    long[0] = 1; // 8193 bits
    refused(&with(rsa(2048), "n", json!(encode(long))), &JwkError::Key(KeyError::RsaModulus));
    let padded = [vec![0], decode(rsa(2048)["n"].as_str().unwrap())].concat(); // 2048 bits all the same
    refused(&with(rsa(2048), "n", json!(encode(&padded))), &JwkError::Key(KeyError::RsaModulus));
    let mut modulus = decode(rsa(2048)["n"].as_str().unwrap());
    modulus[0] = 0x7f; // 2047 bits
    refused(&with(rsa(2048), "n", json!(encode(&modulus))), &JwkError::Key(KeyError::RsaModulus));
    modulus[0] = 0; // a padded number
    refused(&with(rsa(2048), "n", json!(encode(&modulus))), &JwkError::Key(KeyError::RsaModulus));
    modulus[0] = 0x80;
    modulus[255] = 2; // an even number
    refused(&with(rsa(2048), "n", json!(encode(&modulus))), &JwkError::Key(KeyError::RsaModulus));
}

/// Rows 17 and 18: 3 is small but allowed, since PKCS #1 v1.5 padding is compared whole.
#[test]
fn rsa_exponents_are_odd_and_from_3_to_2_to_the_32() {
    for exponent in [&[3][..], &[1, 0, 1], &[0xff; 4]] {
        assert!(parse(&with(rsa(2048), "e", json!(encode(exponent)))).is_ok());
    }
    for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[0, 3], &[1, 0, 0, 0, 1], &[0xff; 256]]
    {
        refused(
            &with(rsa(2048), "e", json!(encode(exponent))),
            &JwkError::Key(KeyError::RsaExponent),
        );
    }
}

/// Row 19.
#[test]
fn moduli_with_the_roca_fingerprint_are_refused() {
    refused(&with(rsa(2048), "n", json!(ROCA)), &JwkError::Key(KeyError::Roca));
}

/// Row 21, in a key set.
#[test]
fn a_kid_must_be_a_short_string() {
    assert!(parse(&with(okp(), "kid", json!("k".repeat(256)))).is_ok());
    for kid in [json!("k".repeat(257)), json!(1), Value::Null, json!(["a"])] {
        refused(&with(okp(), "kid", kid), &JwkError::Member("kid"));
    }
}

/// Row 23: the name of a key passed over counts as well.
#[test]
fn two_keys_of_one_name_refuse_the_set() {
    let (a, b) = (with(okp(), "kid", json!("a")), with(ec(), "kid", json!("a")));
    let p384 = with(b.clone(), "crv", json!("P-384"));
    for keys in [[a.clone(), b.clone()], [a.clone(), a.clone()], [p384, a]] {
        assert_eq!(parse_set(&keys).unwrap_err(), JwkError::DuplicateKid);
    }
    assert_eq!(JwkError::DuplicateKid.code(), ErrorCode::InvalidKeySet);
    assert!(parse_set(&[okp(), ec()]).is_ok(), "two without a name");
}

/// Rows 25 and 26.
#[test]
fn private_and_symmetric_keys_refuse_the_set_and_are_not_repeated() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        for key in [okp(), ec(), rsa(2048), json!({"kty": "AKP"})] {
            refused(&with(key, name, json!("c2VjcmV0")), &JwkError::Secret);
        }
    }
    refused(&json!({"kty": "oct", "k": "c2VjcmV0"}), &JwkError::Secret);
    refused(&json!({"kty": "oct"}), &JwkError::Secret);
    // A secret is a secret also where the key would be passed over.
    refused(&with(with(ec(), "crv", json!("P-384")), "d", json!("c2VjcmV0")), &JwkError::Secret);
    assert!(!JwkError::Secret.to_string().contains("c2VjcmV0"));
}

/// Row 27.
#[test]
fn keys_for_other_purposes_are_not_used() {
    for usage in ["enc", "", "SIG", "tls"] {
        passed_over(&with(rsa(2048), "use", json!(usage)));
    }
    passed_over(&with(ec(), "key_ops", json!(["deriveKey"])));
    passed_over(&with(ec(), "key_ops", json!([])));
    passed_over(&with(ec(), "key_ops", json!(["sign"])));
    refused(&with(ec(), "use", json!(["sig"])), &JwkError::Member("use"));
    for operations in
        [json!("verify"), json!(["verify", "verify"]), json!(["verify", "encrypt"]), json!([1])]
    {
        refused(&with(ec(), "key_ops", operations), &JwkError::Member("key_ops"));
    }
    let many: Vec<String> = (0..17).map(|n| format!("x{n}")).collect();
    passed_over(&with(ec(), "key_ops", json!(&many[..16])));
    refused(&with(ec(), "key_ops", json!(many)), &JwkError::Member("key_ops"));
    let sig = with(ec(), "use", json!("sig"));
    refused(&with(sig, "key_ops", json!(["encrypt"])), &JwkError::Member("key_ops"));
    let enc = with(ec(), "use", json!("enc"));
    refused(&with(enc, "key_ops", json!(["verify"])), &JwkError::Member("use"));
}

/// Row 28.
#[test]
fn an_alg_that_contradicts_the_key_is_refused() {
    for (key, alg) in [
        (ec(), "ES521"),
        (ec(), "A256GCM"),
        (ec(), "RS256"),
        (ec(), "ES384"),
        (ec(), "none"),
        (ec(), "HS256"),
        (ec(), "Ed25519"),
        (ec(), "PS256"),
        (okp(), "RSA-OAEP"),
        (okp(), "ECDH-ES"),
        (rsa(2048), "ECDH-ES+A256KW"),
        (rsa(2048), "HS256"),
        (rsa(2048), "ES256"),
        (rsa(2048), "rs256"),
        (okp(), "ES256"),
        (okp(), "Ed448"),
        (okp(), "eddsa"),
    ] {
        refused(&with(key, "alg", json!(alg)), &JwkError::Member("alg"));
    }
    refused(&with(ec(), "alg", json!(1)), &JwkError::Member("alg"));
    for alg in ["PS256", "RS512", "RSA-OAEP", "RSA-OAEP-256"] {
        passed_over(&with(rsa(2048), "alg", json!(alg)));
    }
    for alg in ["ECDH-ES", "ECDH-ES+A256KW"] {
        passed_over(&with(ec(), "alg", json!(alg)));
    }
}

/// Rows 77 and 79, as far as they concern the parser.
#[test]
fn sets_that_are_huge_or_not_a_set_are_refused() {
    let many: Vec<Value> = (0..65).map(|at| with(okp(), "kid", json!(at.to_string()))).collect();
    assert_eq!(parse_set(&many).unwrap_err(), JwkError::TooManyKeys(64));
    assert_eq!(parse_set(&many[..64]).unwrap().keys().len(), 64);
    let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(1024 * 1024));
    for text in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[],"keys":[]}"#,
        "\u{feff}{\"keys\":[]}",
        r#"{"Keys":[]}"#,
        &huge,
    ] {
        assert!(Jwks::parse(text.as_bytes()).is_err(), "{}", &text[..text.len().min(40)]);
    }
    assert!(Jwks::parse(br#"{"keys":[]}"#).unwrap().keys().is_empty());
}

/// Row 36, in keys.
#[test]
fn a_member_twice_refuses_the_key() {
    let text = okp().to_string().replacen('{', "{\"\\u0078\":\"AA\",", 1);
    assert!(matches!(Jwk::parse(text.as_bytes()), Err(JwkError::Json(_))));
}

#[test]
fn our_own_set_holds_public_members_and_distinct_names() {
    let keys = [parse(&okp()).unwrap().key().clone(), parse(&ec()).unwrap().key().clone()];
    let set = Jwks::from_keys(keys.clone()).unwrap();
    let json: Value = serde_json::from_str(&set.to_json()).unwrap();
    for key in json["keys"].as_array().unwrap() {
        let names: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let allowed = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
        assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
        assert_eq!(key["use"], "sig");
    }
    assert_eq!(Jwks::parse(set.to_json().as_bytes()).unwrap(), set);
    assert_eq!(Jwks::from_keys([keys[0].clone(), keys[0].clone()]), Err(JwkError::DuplicateKid));
    // We publish no set that our own parser would refuse.
    let provider = crate::common::providers()[0];
    let many: Vec<PublicKey> = (0..65)
        .map(|_| provider.generate(Alg::EdDsa, &SystemRng).unwrap())
        .map(|key| provider.signer(&key).unwrap().public_key().clone())
        .collect();
    assert_eq!(Jwks::from_keys(many[..64].to_vec()).unwrap().keys().len(), 64);
    assert_eq!(Jwks::from_keys(many), Err(JwkError::TooManyKeys(64)));
}

/// Row 5: PEM is read to the letter, for all three kinds.
#[test]
fn pem_gives_the_same_key_as_the_jwk() {
    let spki = |prefix: &str, key: &[u8]| {
        let der = [hex(prefix), key.to_vec()].concat();
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    };
    let x = decode(okp()["x"].as_str().unwrap());
    let pem = spki("302a300506032b6570032100", &x);
    assert_eq!(PublicKey::from_pem(&pem).unwrap(), *parse(&okp()).unwrap().key());

    let point = [vec![4], decode(ec()["x"].as_str().unwrap()), decode(ec()["y"].as_str().unwrap())];
    let pem = spki("3059301306072a8648ce3d020106082a8648ce3d030107034200", &point.concat());
    assert_eq!(PublicKey::from_pem(&pem).unwrap(), *parse(&ec()).unwrap().key());
    assert!(PublicKey::from_pem(&format!("\n{pem}")).is_err());

    let modulus = decode(rsa(2048)["n"].as_str().unwrap());
    let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let pem = spki(head, &[modulus, hex("0203010001")].concat());
    assert_eq!(PublicKey::from_pem(&pem).unwrap(), *parse(&rsa(2048)).unwrap().key());
    let low = spki("302a300506032b6570032100", &[0; 32]);
    assert_eq!(PublicKey::from_pem(&low), Err(KeyError::LowOrder));
}

/// A modulus that is a power of 65537 modulo each of the first primes, made for this test.
const ROCA: &str = "-_IRGPrUkdV3MYImnmA79RvRoeuUMynPhTsPHMWanw61SvRZEio7p5AuGnUaQHemuLXau2PU8x2KgAFrS4PKeKy3qeOA37PftrSd1q6G70PoCMnjI3S3TpV-JrL0vZzRPlcGjveiTbQcWjR-w4IfbeKuWY2iaecAc0cQD6xq0eEEYeeBOshA8GqvQ1Fy2sJpi7WjtElG5v3KiQFT-bZpjyyb85pd-uvamfeG8-WDZG3cYKQo4tl4Ro8mew2CsEv_WoQ7xMxN96M0k_zZj9z88fob6zm2BGtVk2AvReHQ_EQKojNluAcvRS9ZmltZ2Y71LOnlfgxooUECEixdr4K07w";
