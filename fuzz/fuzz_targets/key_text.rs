//! A key that somebody hands in, as a JWK or as PEM, is read and written again as the same key.
#![no_main]

use agentidp_core::jose::Jwk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(key) = Jwk::from_text(text)
    {
        assert_eq!(Jwk::from_text(&key.to_value().to_string()), Ok(key));
    }
});
