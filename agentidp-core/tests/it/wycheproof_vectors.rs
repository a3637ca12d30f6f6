//! Project Wycheproof's vectors, known attacks on signatures, MACs and ciphers, against our doors: keys
//! come in as JWK, as PEM and as numbers, and each provider verifies with them.
//!
//! The policy at the import of keys refuses of these only JWKs whose `alg` is RS384 or RS512. What else it
//! refuses (low order, small moduli, other curves) these files do not hold, and `key_attacks` tests it.
//! What the vectors call acceptable is refused: a DigestInfo without its NULL, which RFC 8017 section 9.2
//! tells signers to write.

use std::sync::Arc;

use agentidp_core::crypto::{
    Alg, PublicKey, SignatureVerifier, constant_time_eq, hkdf_sha256, hmac_sha256,
};
use agentidp_core::jose::Jwk;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde_json::Value;
use wycheproof::{aead, ecdsa, eddsa, hkdf, mac, rsa_pkcs1_verify as rsa};

use crate::common::providers;
use crate::vectors::{hex, text};

/// Every test of a file with its group. The file says itself how many there are.
fn each(file: &str, mut test: impl FnMut(&Value, &Value)) {
    let file: Value = serde_json::from_str(file).unwrap();
    let mut count = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            count += 1;
            test(group, case);
        }
    }
    assert_eq!(file["numberOfTests"], count);
    assert!(count > 50, "{count}");
}

/// Whether the answer must be yes. `acceptable` must be refused here.
fn is_valid(case: &Value) -> bool {
    match text(case, "result") {
        "valid" => true,
        "invalid" => false,
        "acceptable" => {
            assert_eq!(case["flags"], serde_json::json!(["MissingNull"]));
            false
        }
        other => panic!("{other}"),
    }
}

/// The key of a group, by every door there is for it.
fn keys(group: &Value) -> Vec<PublicKey> {
    let mut keys = vec![PublicKey::from_pem(text(group, "publicKeyPem")).unwrap()];
    let jwk = [&group["publicKeyJwk"], &group["keyJwk"]].into_iter().find(|jwk| jwk.is_object());
    if let Some(jwk) = jwk {
        let parsed = Jwk::parse(jwk.to_string().as_bytes());
        match jwk["alg"].as_str() {
            None | Some("RS256") => keys.push(parsed.unwrap().key().clone()),
            Some(_) => assert!(parsed.is_err(), "a key of an algorithm that we do not have"),
        }
    }
    let parts = &group["publicKey"];
    keys.push(match keys[0].alg() {
        Alg::Es256 => {
            let point = hex(text(parts, "uncompressed"));
            PublicKey::p256(&point[1..33], &point[33..]).unwrap()
        }
        Alg::EdDsa => PublicKey::ed25519(&hex(text(parts, "pk"))).unwrap(),
        _ => {
            // Theirs are the numbers of DER, with a zero before a high bit.
            let number = |name| hex(text(parts, name)).into_iter().skip_while(|byte| *byte == 0);
            let (modulus, exponent) = (number("modulus"), number("publicExponent"));
            PublicKey::rsa(&modulus.collect::<Vec<_>>(), &exponent.collect::<Vec<_>>()).unwrap()
        }
    });
    assert!(keys.iter().all(|key| *key == keys[0]), "{parts}");
    keys
}

/// Verifiers of every provider that knows the algorithm `alg`, by every door.
fn verifiers(group: &Value, alg: Alg) -> Vec<Arc<dyn SignatureVerifier>> {
    let keys = keys(group);
    assert!(keys.iter().all(|key| key.alg() == alg));
    let offering = providers().into_iter().filter(|provider| provider.algs().contains(&alg));
    offering
        .flat_map(|provider| keys.iter().map(move |key| provider.verifier(key).unwrap()))
        .collect()
}

/// Replays a file of signatures. `accepted` tells which are to be accepted.
fn signatures(file: &str, alg: Alg, accepted: impl Fn(&Value) -> bool) {
    let mut known: Option<(Value, Vec<Arc<dyn SignatureVerifier>>)> = None;
    each(file, |group, case| {
        // One key for a whole group, parsed once.
        if known.as_ref().is_none_or(|(key, _)| *key != group["publicKeyDer"]) {
            known = Some((group["publicKeyDer"].clone(), verifiers(group, alg)));
        }
        let (message, signature) = (hex(text(case, "msg")), hex(text(case, "sig")));
        for verifier in &known.as_ref().unwrap().1 {
            let verified = verifier.verify(&message, &signature);
            assert_eq!(verified.is_ok(), accepted(case), "{verifier:?} {case}");
        }
    });
}

#[test]
fn es256() {
    let name = ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    signatures(name.json_data(), Alg::Es256, is_valid);
}

/// JOSE's form is r and s (RFC 7518 section 3.4): one signature must not have a second spelling.
#[test]
fn es256_refuses_der() {
    signatures(ecdsa::TestName::EcdsaSecp256r1Sha256.json_data(), Alg::Es256, |_| false);
}

#[test]
fn eddsa() {
    signatures(eddsa::TestName::Ed25519.json_data(), Alg::EdDsa, is_valid);
}

#[test]
fn rs256() {
    use rsa::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256};
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256] {
        signatures(name.json_data(), Alg::Rs256, is_valid);
    }
}

/// The hash is the algorithm's, whatever the file is about. What is wrong there for having been hashed
/// with SHA-256 is right here.
#[test]
fn rs256_refuses_other_hashes() {
    use rsa::TestName::{Rsa2048Sha224, Rsa2048Sha384, Rsa2048Sha512};
    for name in [Rsa2048Sha224, Rsa2048Sha384, Rsa2048Sha512] {
        signatures(name.json_data(), Alg::Rs256, |case| {
            text(case, "comment").starts_with("The message is hashed with SHA-256 instead")
        });
    }
}

/// We never cut a tag short, so a tag of 128 bits is wrong here even where it begins the right one.
#[test]
fn hmac() {
    each(mac::TestName::HmacSha256.json_data(), |group, case| {
        let (key, message) = (hex(text(case, "key")), hex(text(case, "msg")));
        let tag = hmac_sha256(&key, &[&message]);
        let whole = group["tagSize"] == 256;
        let equal = constant_time_eq(&tag, &hex(text(case, "tag")));
        assert_eq!(equal, whole && is_valid(case), "{case}");
        let cut = constant_time_eq(&tag[..16], &hex(text(case, "tag")));
        assert_eq!(cut, !whole && is_valid(case), "{case}");
    });
}

/// The longest output begins with every shorter one (RFC 5869 section 2.3). What is longer still, which
/// is all that the vectors call invalid, does not compile here.
#[test]
fn hkdf() {
    each(hkdf::TestName::HkdfSha256.json_data(), |_, case| {
        let of = |name| hex(text(case, name));
        let longest: [u8; 8160] = hkdf_sha256(&of("ikm"), &of("salt"), &of("info"));
        let size = case["size"].as_u64().unwrap() as usize;
        assert_eq!(longest.get(..size).is_some(), is_valid(case), "{case}");
        if is_valid(case) {
            assert_eq!(longest[..size], of("okm"), "{case}");
        }
    });
}

/// The cipher of sealed columns, bare: `seal` derives a key and commits to it, which the vectors do not.
#[test]
fn xchacha20_poly1305() {
    each(aead::TestName::XChaCha20Poly1305.json_data(), |_, case| {
        let of = |name| hex(text(case, name));
        let cipher = XChaCha20Poly1305::new_from_slice(&of("key")).unwrap();
        let Ok(nonce) = <[u8; 24]>::try_from(of("iv")) else {
            assert!(!is_valid(case), "{case}");
            return;
        };
        let (sealed, associated) = ([of("ct"), of("tag")].concat(), of("aad"));
        let payload = Payload { msg: &sealed, aad: &associated };
        let opened = cipher.decrypt(&XNonce::from(nonce), payload);
        assert_eq!(opened.ok(), is_valid(case).then(|| of("msg")), "{case}");
        if is_valid(case) {
            let payload = Payload { msg: &of("msg"), aad: &associated };
            assert_eq!(cipher.encrypt(&XNonce::from(nonce), payload).unwrap(), sealed, "{case}");
        }
    });
}
