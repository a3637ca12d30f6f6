//! What the verbs may answer instead of their result, one enum a family.

use crate::audit::EntryError;
use crate::base::{EntropyError, IdError};
use crate::canon::CanonError;
use crate::crypto::{Alg, CryptoError, KekError, SealError};
use crate::error::ErrorCode;
use crate::jose::JwkError;
use crate::model::{ChangeRefused, Denied, Invalid, KeyRefusal, MemberStays, OrgStays};
use crate::store::StoreError;

mod import;
mod tokens;

pub(super) use import::LineError;
pub use import::{ImportError, ImportStop};
pub use tokens::{AccessError, Refused, TokenError};

/// A failure below the verbs: the database, a key, randomness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A signature or a key.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A stored key that we no longer accept.
    #[error(transparent)]
    Jwk(#[from] JwkError),
    /// A sealed value.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// An audit entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Stored JSON.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// A key that the database should hold is not there.
    #[error("the {0} key is missing from the database")]
    MissingKey(&'static str),
    /// What a decision was made on kept changing while it was being written.
    #[error("the rows kept changing while the request was decided on")]
    Contended,
}

impl Fault {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            Fault::Store(error) => error.code(),
            Fault::Seal(error) => error.code(),
            Fault::Entropy(_) => ErrorCode::EntropyFailed,
            Fault::Contended => ErrorCode::Conflict,
            Fault::Crypto(CryptoError::Entropy(_)) => ErrorCode::EntropyFailed,
            Fault::Crypto(_) | Fault::Jwk(_) | Fault::Entry(_) | Fault::Canon(_) => {
                ErrorCode::Internal
            }
            Fault::MissingKey(_) => ErrorCode::Internal,
        }
    }
}

/// Lets `?` turn whatever lies below a verb into the family's `Fault`.
macro_rules! faults_into {
    ($($family:ident),*) => { $(
        faults_into!(@each $family: StoreError, CryptoError, JwkError, SealError, EntropyError, EntryError, CanonError);
    )* };
    (@each $family:ident: $($below:ident),*) => { $(
        impl From<$below> for $family {
            fn from(error: $below) -> $family {
                $family::Fault(Fault::from(error))
            }
        }
    )* };
}

faults_into!(AccessError, OpenError, OrgError, AgentError, CredentialError, TokenError, AuditError);
faults_into!(SigningKeyError);

/// What a caller may not do is denied in every family alike; what is another organization's is
/// answered as what is not there.
macro_rules! denied_into {
    ($($family:ident),*) => { $(
        impl From<Denied> for $family {
            fn from(denied: Denied) -> $family {
                match denied {
                    Denied::Foreign => $family::NotFound,
                    denied => $family::Denied(denied),
                }
            }
        }
    )* };
}

denied_into!(OrgError, AgentError, CredentialError, TokenError, AuditError, SigningKeyError);

/// Opening or making an instance failed.
///
/// ```
/// use agentidp_core::{Config, Error, ErrorCode, Idp, OpenError};
/// let error = Idp::open(Config::memory()).unwrap_err();
/// assert_eq!(error.code(), ErrorCode::ConfigInvalid);
/// assert!(matches!(error, Error::Open(OpenError::ConfigMissing(_))));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration breaks a rule.
    #[error("configuration: {0}")]
    Config(#[from] Invalid),
    /// Something that the configuration must say is missing.
    #[error("configuration: {0} is missing")]
    ConfigMissing(&'static str),
    /// There is no instance in the database.
    #[error("there is no instance in this database yet")]
    NotInitialized,
    /// There is an instance in the database already.
    #[error("there is an instance in this database already")]
    AlreadyInitialized,
    /// The database belongs to another instance than the configuration.
    #[error("the database belongs to another instance: {0}")]
    Foreign(String),
    /// The key-encryption key.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A verb on organizations was refused or failed.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_core::{NewOrg, OrgError};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// idp.create_org(NewOrg::new("acme"))?;
/// let refused = idp.create_org(NewOrg::new("acme")).unwrap_err();
/// assert!(matches!(refused, OrgError::SlugTaken(slug) if slug == "acme"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrgError {
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The slug names another organization.
    #[error("the slug `{0}` is taken")]
    SlugTaken(String),
    /// No such organization.
    #[error("there is no such organization")]
    NotFound,
    /// The organization stays as it is.
    #[error(transparent)]
    Stays(#[from] OrgStays),
    /// The organization is not at the version that the caller expects.
    #[error("the organization is at version {found} and no longer at {expected}")]
    VersionConflict {
        /// The version that the caller read.
        expected: i64,
        /// The version that it has.
        found: i64,
    },
    /// No such agent in the organization.
    #[error("there is no such agent in this organization")]
    AgentNotFound,
    /// The agent is not active.
    #[error("the agent is not active")]
    AgentNotActive,
    /// No such member of the organization.
    #[error("there is no such member of this organization")]
    MemberNotFound,
    /// The membership stays as it is.
    #[error(transparent)]
    Member(#[from] MemberStays),
    /// The cursor is not one that a page ended with.
    #[error("the cursor is not one that a page ended with")]
    Cursor(#[from] IdError),
    /// The caller may not do this.
    #[error(transparent)]
    Denied(Denied),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A verb on agents was refused or failed.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_core::{AgentError, NewAgent, NewOrg};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// let org = idp.create_org(NewOrg::new("acme").max_agents(1))?;
/// let org = idp.org(&org.id);
/// org.register_agent(NewAgent::new("first"))?;
/// let refused = org.register_agent(NewAgent::new("second")).unwrap_err();
/// assert!(matches!(refused, AgentError::LimitReached(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such agent, or no such organization.
    #[error("there is no such agent in this organization")]
    NotFound,
    /// The organization is not active.
    #[error("the organization is not active")]
    OrgNotActive,
    /// The organization has as many agents as it may.
    #[error("the organization has its {0} agents already")]
    LimitReached(i64),
    /// The agent has as many published keys as it may.
    #[error("the agent has its {0} published keys already")]
    KeysFull(usize),
    /// The agent is not active.
    #[error("the agent is not active")]
    NotActive,
    /// The agent is decommissioned.
    #[error("the agent is decommissioned, which is for good")]
    Decommissioned,
    /// It must stay a member of its organization, and so an agent.
    #[error(transparent)]
    Member(#[from] MemberStays),
    /// The agent is not at the version that the caller expects.
    #[error("the agent is at version {found} and no longer at {expected}")]
    VersionConflict {
        /// The version that the caller read.
        expected: i64,
        /// The version that it has.
        found: i64,
    },
    /// A public key is not acceptable.
    #[error("the public key is refused: {0}")]
    Key(JwkError),
    /// The agent has the key already.
    #[error("the agent has or had the key `{0}`")]
    KeyKnown(String),
    /// The agent has no such key that is published.
    #[error("the agent has no such key")]
    KeyNotFound,
    /// Some agent has the id already.
    #[error("the agent id is taken")]
    IdTaken,
    /// The cursor is not one that a page ended with.
    #[error("the cursor is not one that a page ended with")]
    Cursor(IdError),
    /// The caller may not do this.
    #[error(transparent)]
    Denied(Denied),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ChangeRefused> for AgentError {
    fn from(refused: ChangeRefused) -> AgentError {
        match refused {
            ChangeRefused::Invalid(invalid) => AgentError::Invalid(invalid),
            ChangeRefused::Denied(denied) => AgentError::from(denied),
            ChangeRefused::Version { expected, found } => {
                AgentError::VersionConflict { expected, found }
            }
            ChangeRefused::Decommissioned => AgentError::Decommissioned,
        }
    }
}

/// A verb on credentials was refused or failed.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
/// use agentidp_core::{CredentialError, RevokeTokens};
/// use std::time::Duration;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// let id = &credential.credential().id;
/// org.revoke_credential(id, RevokeTokens::No)?;
/// let refused = org.rotate_credential(id, Duration::ZERO).unwrap_err();
/// assert!(matches!(refused, CredentialError::Over));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such agent or credential in the organization.
    #[error("there is no such agent or credential in this organization")]
    NotFound,
    /// The agent is not active.
    #[error("the agent is not active")]
    NotActive,
    /// The credential is revoked or has expired.
    #[error("the credential is revoked or has expired")]
    Over,
    /// Only secrets are rotated.
    #[error("a public key is not rotated: issue the next one, and revoke this one")]
    NotASecret,
    /// A public key is not acceptable.
    #[error("the public key is refused: {0}")]
    Key(JwkError),
    /// The agent has the key already.
    #[error("the agent has the key `{0}` already")]
    KeyKnown(String),
    /// The agent has as many live public keys as it may.
    #[error("the agent has its {0} live public keys already")]
    KeysFull(usize),
    /// The cursor is not one that a page ended with.
    #[error("the cursor is not one that a page ended with")]
    Cursor(IdError),
    /// The agent has as many live secrets as it may.
    #[error("the agent has its {0} live secrets already")]
    LimitReached(usize),
    /// The caller may not do this.
    #[error(transparent)]
    Denied(Denied),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A verb on the audit trail was refused or failed.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
/// use agentidp_core::{AuditError, Cursor, PageRequest};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// let page = PageRequest::first().after(Cursor::new("somewhere"));
/// assert!(matches!(org.audit(&page), Err(AuditError::Cursor(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// No such organization.
    #[error("there is no such organization")]
    NotFound,
    /// The cursor is not one that a page ended with.
    #[error("the cursor is not one that a page ended with")]
    Cursor(#[from] IdError),
    /// The caller may not do this.
    #[error(transparent)]
    Denied(Denied),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A verb on the instance's keys was refused or failed.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_core::SigningKeyError;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// assert!(matches!(idp.revoke_key("nobody's"), Err(SigningKeyError::NotFound)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// No such key.
    #[error("there is no such key")]
    NotFound,
    /// The rules of the keys do not allow it.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// The provider of signatures does not offer the algorithm.
    #[error("this build does not sign with {0}")]
    Unsupported(Alg),
    /// The caller may not do this.
    #[error(transparent)]
    Denied(Denied),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl OpenError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            OpenError::Config(_) | OpenError::ConfigMissing(_) => ErrorCode::ConfigInvalid,
            OpenError::NotInitialized => ErrorCode::NotInitialized,
            OpenError::AlreadyInitialized => ErrorCode::AlreadyInitialized,
            OpenError::Foreign(_) => ErrorCode::DatabaseForeign,
            OpenError::Kek(error) => error.code(),
            OpenError::Fault(fault) => fault.code(),
        }
    }
}

impl OrgError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            OrgError::Invalid(invalid) => invalid.code(),
            OrgError::SlugTaken(_) => ErrorCode::SlugTaken,
            OrgError::NotFound | OrgError::AgentNotFound | OrgError::MemberNotFound => {
                ErrorCode::NotFound
            }
            OrgError::Stays(stays) => stays.code(),
            OrgError::VersionConflict { .. } => ErrorCode::Conflict,
            OrgError::AgentNotActive => ErrorCode::NotActive,
            OrgError::Member(stays) => stays.code(),
            OrgError::Cursor(_) => ErrorCode::InvalidInput,
            OrgError::Denied(denied) => denied.code(),
            OrgError::Fault(fault) => fault.code(),
        }
    }
}

impl AgentError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            AgentError::Invalid(invalid) => invalid.code(),
            AgentError::NotFound | AgentError::KeyNotFound => ErrorCode::NotFound,
            AgentError::OrgNotActive => ErrorCode::NotActive,
            AgentError::NotActive => ErrorCode::NotActive,
            AgentError::LimitReached(_) | AgentError::KeysFull(_) => ErrorCode::LimitReached,
            AgentError::Member(stays) => stays.code(),
            AgentError::Decommissioned => ErrorCode::Decommissioned,
            AgentError::VersionConflict { .. } => ErrorCode::Conflict,
            AgentError::Key(error) => error.code(),
            AgentError::KeyKnown(_) | AgentError::IdTaken => ErrorCode::AlreadyExists,
            AgentError::Cursor(_) => ErrorCode::InvalidInput,
            AgentError::Denied(denied) => denied.code(),
            AgentError::Fault(fault) => fault.code(),
        }
    }
}

impl CredentialError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            CredentialError::Invalid(invalid) => invalid.code(),
            CredentialError::NotFound => ErrorCode::NotFound,
            CredentialError::NotActive | CredentialError::Over => ErrorCode::NotActive,
            CredentialError::LimitReached(_) | CredentialError::KeysFull(_) => {
                ErrorCode::LimitReached
            }
            CredentialError::NotASecret | CredentialError::Cursor(_) => ErrorCode::InvalidInput,
            CredentialError::Key(error) => error.code(),
            CredentialError::KeyKnown(_) => ErrorCode::AlreadyExists,
            CredentialError::Denied(denied) => denied.code(),
            CredentialError::Fault(fault) => fault.code(),
        }
    }
}

impl SigningKeyError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            SigningKeyError::NotFound => ErrorCode::NotFound,
            SigningKeyError::Refused(KeyRefusal::TooMany(_)) => ErrorCode::LimitReached,
            SigningKeyError::Refused(_) | SigningKeyError::Unsupported(_) => {
                ErrorCode::InvalidInput
            }
            SigningKeyError::Denied(denied) => denied.code(),
            SigningKeyError::Fault(fault) => fault.code(),
        }
    }
}

impl AuditError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            AuditError::NotFound => ErrorCode::NotFound,
            AuditError::Cursor(_) => ErrorCode::InvalidInput,
            AuditError::Denied(denied) => denied.code(),
            AuditError::Fault(fault) => fault.code(),
        }
    }
}
