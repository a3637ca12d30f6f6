//! A line of an import is read or refused, and a refusal repeats nothing of it.
#![no_main]

use agentidp_core::import::ImportLine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(refused) = ImportLine::parse(bytes) {
        assert!(refused.to_string().len() < 400);
    }
});
