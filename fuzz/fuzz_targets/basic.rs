//! A client's name and secret are read or refused, from the field and from what it encodes.
#![no_main]

use agentidp_core::crypto::base64_standard;
use agentidp_http::parsers::Basic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Basic::parse(bytes);
    if let Ok(read) = Basic::parse(format!("Basic {}", base64_standard(bytes)).as_bytes()) {
        // What stands in no encoding is read as it stands.
        if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
            let joined = format!("{}:{}", read.client_id, read.client_secret.expose());
            assert_eq!(joined.as_bytes(), bytes);
        }
    }
});
