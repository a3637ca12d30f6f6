//! A set that is read is written and read again with the same keys.
#![no_main]

use agentidp_core::jose::Jwks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = Jwks::parse(bytes) {
        let again = Jwks::parse(set.to_json().as_bytes()).expect("our own set");
        assert_eq!(again.keys(), set.keys());
    }
});
