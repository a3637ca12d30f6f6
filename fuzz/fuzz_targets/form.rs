//! A form that is read has each parameter once, and none without a value.
#![no_main]

use agentidp_http::parsers::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(form) = Form::parse(bytes) {
        for name in ["grant_type", "scope", "client_secret", "token", "resource"] {
            let values: Vec<_> = form.all(name).collect();
            assert!(values.iter().all(|value| !value.is_empty()));
            assert!(values.len() <= 1 || name == "resource");
        }
    }
});
