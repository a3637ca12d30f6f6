//! What `bodies/claims.rs` checks of any bytes.
#![no_main]

#[path = "../bodies/claims.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::check(bytes));
