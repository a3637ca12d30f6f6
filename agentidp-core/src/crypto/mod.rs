//! Floor 1: keys, signatures, hashes and sealed values.
//!
//! Signatures come from a [`CryptoProvider`], which is a value and not a process-wide choice: two
//! providers may live side by side. Hashes and sealing have one pure-Rust implementation for all
//! providers, since aws-lc's was measured to be no faster there.

mod alg;
#[cfg(feature = "aws-lc")]
mod aws_lc;
mod encoding;
mod error;
mod field;
mod hash;
mod kek;
mod key;
mod provider;
mod rsa_policy;
#[cfg(feature = "rustcrypto")]
mod rust_crypto;
mod seal;
mod spki;

pub use alg::Alg;
pub use encoding::{base64_standard, base64url, hexadecimal};
pub use error::{CryptoError, KeyError};
pub use hash::{constant_time_eq, hkdf_sha256, hmac_sha256, sha256, sha512};
pub(crate) use kek::parse as parse_kek;
pub use kek::{Kek, KekError, KekSalt, KekSource, KeyBinding};
pub(crate) use key::Parts;
pub use key::{PrivateKey, PublicKey};
pub use provider::{CryptoProvider, SignatureVerifier, Signer};
pub use seal::{DataKey, Place, SealError, data_key_id, open, seal};
