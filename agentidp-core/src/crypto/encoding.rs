//! Base64 (RFC 4648), for the rooms that write it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// `bytes` in base64url without padding (RFC 4648 section 5).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `bytes` in base64 with padding (RFC 4648 section 4).
pub fn base64_standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
