//! The identity provider for AI agents, embedded.

pub mod audit;
pub mod base;
pub mod canon;
pub mod crypto;
pub mod error;
pub mod jose;
pub mod oidc;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod store;
pub mod verify;

pub use base::{
    AgentId, Clock, CredentialId, Cursor, DataKeyId, EventId, InstanceId, Jti, OrgId, Page,
    PageRequest, Rng, SecretBytes, SecretString, SystemClock, SystemRng, Timestamp,
};
pub use error::ErrorCode;
