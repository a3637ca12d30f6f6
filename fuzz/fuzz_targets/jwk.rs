//! A key that is read is written and read again as the same key.
#![no_main]

use agentidp_core::jose::Jwk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = Jwk::parse(bytes) {
        assert_eq!(Jwk::parse(key.to_value().to_string().as_bytes()), Ok(key));
    }
});
