//! What is read strictly is written and read again as the same value.
#![no_main]

use agentidp_core::canon::parse_strict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = parse_strict(bytes, 64 * 1024) {
        assert_eq!(parse_strict(value.to_string().as_bytes(), 1024 * 1024), Ok(value));
    }
});
