//! What `bodies/trail.rs` checks of any bytes.
#![no_main]

#[path = "../bodies/trail.rs"]
mod trail;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trail::check(bytes));
