//! What `bodies/http_headers.rs` checks of any bytes.
#![no_main]

#[path = "../bodies/http_headers.rs"]
mod http_headers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| http_headers::check(bytes));
