//! What `bodies/agent_rules.rs` checks of any bytes.
#![no_main]

#[path = "../bodies/agent_rules.rs"]
mod agent_rules;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| agent_rules::check(bytes));
