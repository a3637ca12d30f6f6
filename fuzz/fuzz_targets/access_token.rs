//! A token that is read is printable and not empty.
#![no_main]

use agentidp_http::parsers::AccessToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(AccessToken { token, .. }) = AccessToken::parse(bytes) {
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    }
});
