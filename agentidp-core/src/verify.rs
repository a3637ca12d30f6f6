//! Verification without an identity provider: what a resource server links.
//!
//! It needs no database, no network and no async runtime. Build with `default-features = false` and
//! one of the features `aws-lc` and `rustcrypto`.
//!
//! ```no_run
//! # #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (jwks_json, token) = ("", "");
//! use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
//!
//! let jwks = Jwks::parse(jwks_json.as_bytes())?;
//! let verifier = Verifier::new("https://idp.example.com", &jwks, &CryptoProvider::default_provider())?;
//! let claims = verifier.verify_access_token(token, "https://api.example.com")?;
//! println!("{} of {}", claims.client_id, claims.organization_id);
//! # Ok(())
//! # }
//! # #[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
//! # fn main() {}
//! ```

pub use crate::crypto::CryptoProvider;
pub use crate::jose::{JwkError, Jwks, VerifyError};
pub use crate::oidc::{
    AccessTokenClaims, IdTokenClaims, ProvenKey, ProvenRequest, Verifier, verify_dpop_proof,
};
