//! Floor 2: keys as JSON (RFC 7517) and signed tokens (RFC 7515), read more strictly than the RFCs ask.
//!
//! No other room knows how a token is written. What a token says of itself never chooses how it is
//! verified: the key does, and the key is found in a set that the verifier already trusts.

mod error;
mod jwk;
mod jwks;
mod jws;

pub use error::{JwkError, VerifyError};
pub use jwk::Jwk;
pub use jwks::Jwks;
pub use jws::{Compact, Header, TokenSigner, parse_compact};
