//! No bytes make the verifier panic, and none but the issuer's are a token of its key.
#![no_main]

use std::sync::LazyLock;

use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
use libfuzzer_sys::fuzz_target;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let jwks = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let jwks = Jwks::parse(jwks).expect("a sound set");
    let provider = CryptoProvider::default_provider();
    Verifier::new("https://idp.example.com", &jwks, &provider).expect("a sound key")
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(token) = std::str::from_utf8(bytes) {
        assert!(VERIFIER.verify_access_token(token, "https://api.example.com").is_err());
        assert!(VERIFIER.verify_id_token(token, "client").is_err());
    }
});
