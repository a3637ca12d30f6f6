//! What the verbs may answer instead of their result, one enum a family.

use std::time::Duration;

use crate::audit::EntryError;
use crate::base::{EntropyError, IdError, Month};
use crate::canon::CanonError;
use crate::crypto::{Alg, CryptoError, KekError, SealError};
use crate::error::ErrorCode;
use crate::import::LineRefused;
use crate::jose::{JwkError, VerifyError};
use crate::model::{
    ChangeRefused, Denied, Invalid, KeyRefusal, MemberStays, OrgStays, RateLimited, Refusal,
};
use crate::store::StoreError;

use super::import::ImportReport;

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
    #[error("the agent has the key `{0}` already")]
    KeyKnown(String),
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

/// A request for a token, or one about a token, was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It was refused. Only what the client may know of the reason is told.
    #[error("{}", public_reason(.0.code()))]
    Refused(Refused),
    /// The organization has issued as many tokens in this calendar month (UTC) as it may.
    #[error("the organization has issued its {limit} tokens of {month} already")]
    QuotaExceeded {
        /// The organization's limit.
        limit: i64,
        /// The month; at its [end](Month::end) there are tokens again.
        month: Month,
        /// How long that is, in whole seconds.
        retry_after: Duration,
    },
    /// The organization sends more requests than it may.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such organization.
    #[error("there is no such organization")]
    NotFound,
    /// The caller may not do this.
    #[error(transparent)]
    Denied(Denied),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A refusal, whose true reason is in the audit log and in no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(ErrorCode);

impl Refused {
    pub(super) fn new(refusal: Refusal) -> Refused {
        Refused(refusal.code())
    }

    /// The row of the error table.
    pub fn code(self) -> ErrorCode {
        self.0
    }
}

fn public_reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidScope => {
            "the scope is malformed or not allowed for this client and resource"
        }
        ErrorCode::InvalidTarget => "the resource is not one that this client may ask for",
        ErrorCode::ExchangeRefused => "the token that was handed in is not acceptable",
        ErrorCode::InvalidDpopProof => "the proof of the key is not valid for this request",
        ErrorCode::UseDpopNonce => "the proof of the key needs a recent nonce",
        ErrorCode::InvalidInput => "`may_act` is not the id of an agent",
        _ => "client authentication failed",
    }
}

/// An import stopped. What stands in [`ImportError::report`] is done all the same.
#[derive(Debug, thiserror::Error)]
#[error("the import stopped at line {}: {source}", report.lines)]
pub struct ImportError {
    pub(super) report: ImportReport,
    pub(super) source: ImportStop,
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportStop {
    /// The lines could not be read.
    #[error("the lines cannot be read: {0}")]
    Read(std::io::Error),
    /// There are more lines than one import may have.
    #[error("there are more than {0} lines")]
    TooManyLines(u64),
    /// No agent at all may be imported, or the database failed.
    #[error(transparent)]
    Agent(AgentError),
}

impl ImportError {
    /// What was done before.
    pub fn report(&self) -> &ImportReport {
        &self.report
    }

    /// Why it stopped.
    pub fn reason(&self) -> &ImportStop {
        &self.source
    }

    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match &self.source {
            ImportStop::Read(_) | ImportStop::TooManyLines(_) => ErrorCode::InvalidInput,
            ImportStop::Agent(error) => error.code(),
        }
    }
}

/// Why one line of an import is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error(transparent)]
    Line(#[from] LineRefused),
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl LineError {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            LineError::Line(refused) => refused.code(),
            LineError::Agent(error) => error.code(),
        }
    }
}

/// The bearer of an access token was not admitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The token is not valid, or not meant for this issuer.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// Its agent or its organization is not active, or the token was revoked.
    #[error("the access token is not active")]
    NotActive,
    /// The token lacks this scope.
    #[error("the access token lacks the scope `{0}`")]
    ScopeMissing(&'static str),
    /// The proof of a key that came with the token is not one, or not for this request.
    #[error("the proof of the key is refused: {0}")]
    Proof(VerifyError),
    /// The proof was used before.
    #[error("the proof of the key was used before")]
    ProofUsed,
    /// The proof lacks a recent nonce of ours.
    #[error("the proof of the key lacks a recent nonce")]
    NonceMissing,
    /// The organization of its agent sends more requests than it may.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// A failure below.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A verb on the audit trail was refused or failed.
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
            AgentError::NotFound => ErrorCode::NotFound,
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

impl TokenError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            TokenError::Refused(refused) => refused.code(),
            TokenError::QuotaExceeded { .. } => ErrorCode::QuotaExceeded,
            TokenError::RateLimited(limited) => limited.code(),
            TokenError::Invalid(invalid) => invalid.code(),
            TokenError::NotFound => ErrorCode::NotFound,
            TokenError::Denied(denied) => denied.code(),
            TokenError::Fault(fault) => fault.code(),
        }
    }
}

impl AccessError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            AccessError::Token(_) | AccessError::NotActive => ErrorCode::InvalidToken,
            AccessError::ScopeMissing(_) => ErrorCode::InsufficientScope,
            AccessError::Proof(_) | AccessError::ProofUsed => ErrorCode::InvalidDpopProof,
            AccessError::NonceMissing => ErrorCode::UseDpopNonce,
            AccessError::RateLimited(limited) => limited.code(),
            AccessError::Fault(fault) => fault.code(),
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
