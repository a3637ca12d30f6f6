//! Floor 3: what our tokens say, and who may believe it.

mod claims;
mod reader;
mod verifier;

pub use claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims, ID_TOKEN_TYPE, IdTokenClaims, at_hash};
pub use reader::ClaimReader;
pub use verifier::Verifier;
