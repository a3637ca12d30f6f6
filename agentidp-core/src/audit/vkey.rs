//! Verifier keys of C2SP signed notes: `name+hash+base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::sha256;

/// The signature type of Ed25519 in a signed note.
const ED25519: u8 = 0x01;

/// The verifier key of an Ed25519 public key for the log `name` (C2SP signed-note).
///
/// ```
/// let key = agentidp_core::audit::verifier_key("example.com/log", &[0; 32]);
/// assert!(key.starts_with("example.com/log+"));
/// ```
pub fn verifier_key(name: &str, public_key: &[u8]) -> String {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], public_key]);
    let encoded = STANDARD.encode([&[ED25519], public_key].concat());
    format!("{name}+{:08x}+{encoded}", u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key in the example of the signed-note specification.
    #[test]
    fn the_published_example_has_the_published_hash() {
        let encoded = "AWd9yeA1cE2mEaSu0tv5sLbdfbLkQ4OROo7fcFGw6sF3";
        let key = STANDARD.decode(encoded).unwrap();
        let name = "sum.golang.org";
        // The key of the Go checksum database: the same format, another signer.
        let golang = STANDARD.decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8").unwrap();
        assert_eq!(
            verifier_key(name, &golang[1..]),
            "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        );
        assert_ne!(verifier_key(name, &key[1..]), verifier_key(name, &golang[1..]));
    }
}
