//! What clients sign to prove themselves: assertions, and proofs of keys that bring their own key.
#![no_main]

use agentidp_core::crypto::CryptoProvider;
use agentidp_core::oidc::ClientAssertion;
use agentidp_core::verify::{ProvenRequest, verify_dpop_proof};
use agentidp_core::{SecretString, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = ClientAssertion::parse(&SecretString::from(text)).map(|read| read.client_id().len());
    let request = ProvenRequest {
        method: "POST",
        url: "https://idp.example.com/oauth2/token",
        access_token: Some("token"),
    };
    let now = Timestamp::from_seconds(1_795_316_400);
    let _ = verify_dpop_proof(text, request, &CryptoProvider::default_provider(), now);
});
