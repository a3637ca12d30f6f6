//! A body of the API is read or refused, and a refusal is short and of one line.
#![no_main]

use agentidp_http::parsers::api_bodies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for reason in api_bodies(bytes).err().into_iter().flatten() {
        assert!(reason.chars().count() <= 200 && !reason.chars().any(char::is_control));
    }
});
