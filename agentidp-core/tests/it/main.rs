//! The one integration test binary of the crate; each module is a story.
//!
//! `cfg(test)` is always true here. It tells clippy that helpers are tests too.

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod async_idp;
#[cfg(test)]
mod authority_page;
#[cfg(test)]
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod common;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod corpora;
#[cfg(test)]
#[cfg(feature = "aws-lc")]
mod differential;
#[cfg(test)]
mod envelope;
#[cfg(test)]
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod jose_attacks;
#[cfg(test)]
mod kek;
#[cfg(test)]
mod key_attacks;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod kill;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod ops;
#[cfg(test)]
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod rfc_examples;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod sqlite_file;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod store_concurrency;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod store_conformance;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod store_walls;
#[cfg(test)]
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod token_claims;
#[cfg(test)]
mod vectors;
#[cfg(test)]
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod wycheproof_vectors;
