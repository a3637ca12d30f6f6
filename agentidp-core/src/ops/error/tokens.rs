//! The families of tokens: asking for them, and showing them.

use std::time::Duration;

use crate::base::Month;
use crate::error::ErrorCode;
use crate::jose::VerifyError;
use crate::model::{Denied, Invalid, RateLimited, Refusal};

use super::Fault;

/// A request for a token, or one about a token, was refused or failed.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
/// use agentidp_core::{ErrorCode, TokenError};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let new = NewOrg::new("acme").max_tokens_per_month(1);
/// # let org = idp.org(&idp.create_org(new)?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
/// // The organization may have one token a month.
/// idp.token(&request)?;
/// let refused = idp.token(&request).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::QuotaExceeded);
/// assert!(matches!(refused, TokenError::QuotaExceeded { limit: 1, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    pub(in crate::ops) fn new(refusal: Refusal) -> Refused {
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
        ErrorCode::UnauthorizedClient => "the token is another client's",
        ErrorCode::InvalidInput => "`may_act` is not the id of an agent",
        _ => "client authentication failed",
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

/// The bearer of an access token was not admitted.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
/// use agentidp_core::{AccessError, ErrorCode};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
/// let token = idp.token(&request)?.access_token;
/// org.suspend_agent(&agent.id)?;
/// let refused = idp.on_behalf_of(&token).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::InvalidToken);
/// assert!(matches!(refused, AccessError::NotActive));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
