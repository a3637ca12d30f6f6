//! Floor 5: one verb a function. Each reads, decides, signs and seals, writes, and journals in the
//! same transaction; what is handed out is handed out after the commit.

pub(crate) mod access;
mod acting;
pub(crate) mod agent_keys;
pub(crate) mod agent_status;
pub(crate) mod agents;
pub(crate) mod audit;
mod clients;
mod context;
pub(crate) mod credential_changes;
pub(crate) mod credentials;
pub(crate) mod dpop;
mod error;
pub(crate) mod examine;
mod exchange;
pub(crate) mod import;
pub(crate) mod import_lines;
pub(crate) mod init;
pub(crate) mod introspection;
mod journal;
mod keyring;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod once;
pub(crate) mod orgs;
mod proof;
pub(crate) mod quota;
mod recording;
mod refusals;
pub(crate) mod revocation;
mod second_chance;
mod signing;
pub(crate) mod tick;
pub(crate) mod tokens;

pub(crate) use acting::Acting;
pub(crate) use context::Context;
pub use error::{
    AccessError, AgentError, AuditError, CredentialError, Fault, ImportError, ImportStop,
    OpenError, OrgError, Refused, SigningKeyError, TokenError,
};
pub use import::{ImportOptions, ImportReport, RefusedLine};
pub use keys::{KeyChange, KeyEvent, RevokedKey, RotatedKey};
pub use tick::Tick;
