//! Floor 3: what decides, within the tenant walls, what an agent may do: the built-in table, or a policy
//! in Rego (docs/policy.md). Nothing but the directory is read, and that once.

mod agent;
#[cfg(feature = "policy-rego")]
mod error;
#[cfg(feature = "policy-rego")]
mod files;
#[cfg(feature = "policy-rego")]
mod question;
#[cfg(feature = "policy-rego")]
mod rego;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rules;
#[cfg(feature = "policy-rego")]
mod syntax;
#[cfg(all(test, feature = "policy-rego"))]
mod tests;
#[cfg(feature = "policy-rego")]
mod trial;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use agent::KnownAgent;
#[cfg(feature = "policy-rego")]
pub use error::PolicyError;
#[cfg(feature = "policy-rego")]
pub use rego::RegoPolicy;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use rules::Rules;
