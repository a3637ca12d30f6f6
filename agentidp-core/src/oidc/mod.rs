//! Floor 3: what our tokens say, and who may believe it.

mod claims;
mod client_assertion;
mod dpop;
mod reader;
mod verifier;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use claims::AccessClaims;
pub use claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims, ID_TOKEN_TYPE, IdTokenClaims, at_hash};
pub use client_assertion::{ClientAssertion, SingleUse};
pub(crate) use dpop::proven_key;
pub use dpop::{ProvenKey, ProvenRequest, bound_key, bound_to, verify_dpop_proof};
pub use reader::ClaimReader;
pub use verifier::Verifier;
