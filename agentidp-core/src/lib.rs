//! The identity provider for AI agents, embedded.

pub mod base;
pub mod canon;
pub mod error;

pub use base::{
    AgentId, Clock, CredentialId, Cursor, DataKeyId, EventId, InstanceId, Jti, OrgId, Page,
    PageRequest, Rng, SecretBytes, SecretString, SystemClock, SystemRng, Timestamp,
};
pub use error::ErrorCode;
