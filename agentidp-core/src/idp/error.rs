//! One error for programs that do not care which verb failed.

use crate::error::ErrorCode;
use crate::jose::{JwkError, VerifyError};
use crate::model::Invalid;
use crate::ops::{
    AccessError, AgentError, AuditError, CredentialError, OpenError, OrgError, SigningKeyError,
    TokenError,
};
#[cfg(feature = "policy-rego")]
use crate::policy::PolicyError;
use crate::store::StoreError;

/// Any failure of the library. Each verb has a narrower one, which `?` turns into this. Match on
/// [`code`](Error::code): messages are for people.
///
/// ```
/// # use agentidp_core::{Config, KekSource};
/// use agentidp_core::{Agent, Error, ErrorCode, Idp, NewAgent, NewOrg};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// fn welcome(idp: &Idp, slug: &str) -> Result<Agent, Error> {
///     let org = idp.create_org(NewOrg::new(slug))?;
///     Ok(idp.org(&org.id).register_agent(NewAgent::new("bot"))?)
/// }
///
/// welcome(&idp, "acme")?;
/// let error = welcome(&idp, "acme").unwrap_err();
/// assert_eq!(error.code(), ErrorCode::SlugTaken);
/// assert_eq!(error.code().http_status(), 409);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Opening or making an instance.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Organizations.
    #[error(transparent)]
    Org(#[from] OrgError),
    /// Agents.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// Credentials.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The instance's keys, and its background work.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    /// Requests for tokens, and about them.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Access by a token.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The audit trail.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Verification of a token.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A key or a set of keys.
    #[error(transparent)]
    Jwk(#[from] JwkError),
    /// A value that breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A policy that was refused.
    #[cfg(feature = "policy-rego")]
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Error {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Open(error) => error.code(),
            Error::Org(error) => error.code(),
            Error::Agent(error) => error.code(),
            Error::Credential(error) => error.code(),
            Error::SigningKey(error) => error.code(),
            Error::Token(error) => error.code(),
            Error::Access(error) => error.code(),
            Error::Audit(error) => error.code(),
            Error::Verify(error) => error.code(),
            Error::Jwk(error) => error.code(),
            Error::Invalid(error) => error.code(),
            #[cfg(feature = "policy-rego")]
            Error::Policy(error) => error.code(),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Open(OpenError::from(error))
    }
}
