//! What `bodies/import_line.rs` checks of any bytes.
#![no_main]

#[path = "../bodies/import_line.rs"]
mod import_line;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| import_line::check(bytes));
