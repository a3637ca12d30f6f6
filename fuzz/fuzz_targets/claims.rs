//! Claims that are read are written and read again as the same claims. The target `jwt` stops at the
//! signature, which no fuzzer can make.
#![no_main]

use agentidp_core::verify::{AccessTokenClaims, IdTokenClaims};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(claims) = AccessTokenClaims::from_payload(bytes) {
        assert_eq!(AccessTokenClaims::from_payload(&claims.to_payload()), Ok(claims));
    }
    if let Ok(claims) = IdTokenClaims::from_payload(bytes) {
        assert_eq!(IdTokenClaims::from_payload(&claims.to_payload()), Ok(claims));
    }
});
