//! Public keys that somebody hands in, good ones and bad ones.

use agentidp_core::crypto::{Alg, CryptoProvider};
use agentidp_core::{SystemRng, crypto::base64_standard};
use serde_json::{Value, json};

/// A new public key, as a JWK.
pub(super) fn jwk() -> Value {
    let provider = CryptoProvider::default_provider();
    let private = provider.generate(Alg::EdDsa, &SystemRng).unwrap();
    provider.signer(&private).unwrap().public_key().to_jwk()
}

/// The key of RFC 8037 appendix A.2, as PEM, and its thumbprint.
pub(super) const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
    -----END PUBLIC KEY-----\n";
pub(super) const PEM_KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// What must never be taken for a public key of an agent.
pub(super) fn refused() -> Vec<(&'static str, String)> {
    let with = |name: &str, value: &str| {
        let mut key = jwk();
        key[name] = json!(value);
        key.to_string()
    };
    let rsa = |bytes: usize| {
        let mut modulus = vec![0xa5; bytes];
        modulus[0] = 0x80;
        let modulus = agentidp_core::crypto::base64url(&modulus);
        json!({"kty": "RSA", "n": modulus, "e": "AQAB"}).to_string()
    };
    let zero = agentidp_core::crypto::base64url(&[0; 32]);
    let small = base64_standard(
        &[&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &[0; 32]].concat(),
    );
    vec![
        ("a private key", with("d", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")),
        ("a private key as PEM", PEM.replace("PUBLIC", "PRIVATE")),
        ("a symmetric key", json!({"kty": "oct", "k": "AAAA"}).to_string()),
        ("a secret beside the key", with("k", "AAAA")),
        ("RSA of 1024 bits", rsa(128)),
        ("another curve", with("crv", "Ed448")),
        ("the curve of another kind of key", with("crv", "X25519")),
        ("a point of low order", with("x", &zero)),
        (
            "a point of low order as PEM",
            format!("-----BEGIN PUBLIC KEY-----\n{small}\n-----END PUBLIC KEY-----\n"),
        ),
        ("a key for encryption", with("use", "enc")),
        ("a key for another algorithm", with("alg", "ES256")),
        ("a set", json!({"keys": [jwk()]}).to_string()),
        ("nothing", String::new()),
    ]
}
