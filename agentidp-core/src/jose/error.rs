//! Why a key or a token is refused. No message repeats the token.

use crate::canon::CanonError;
use crate::crypto::KeyError;
use crate::error::ErrorCode;

/// Why a JWK or a JWK set is refused.
///
/// ```
/// use agentidp_core::jose::{Jwk, JwkError};
/// let private = br#"{"kty":"OKP","crv":"Ed25519","d":"AAAA",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// assert_eq!(Jwk::parse(private), Err(JwkError::Secret));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Not JSON that we read.
    #[error("{0}")]
    Json(#[from] CanonError),
    /// A private or symmetric key: whoever published it has lost it.
    #[error(
        "the key holds secret members; only public keys are accepted, and this one is no longer secret"
    )]
    Secret,
    /// A member is missing, has the wrong type, or contradicts another.
    #[error("the member `{0}` of the key is missing, malformed or contradicts another member")]
    Member(&'static str),
    /// A public key of a kind, curve, algorithm or use that we do not verify with.
    #[error("the key is not one to verify ES256, EdDSA or RS256 signatures with")]
    Unsupported,
    /// The numbers of the key are refused.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The set has no array of keys.
    #[error("a JWK set is an object with an array `keys`")]
    NotASet,
    /// More keys than the limit.
    #[error("the set has more keys than the limit of {0}")]
    TooManyKeys(usize),
    /// Two keys of one name: which one verifies would be left to chance.
    #[error("two keys of the set have the same `kid`")]
    DuplicateKid,
    /// One key spoils the set.
    #[error("key {index} of the set is refused: {source}")]
    InSet {
        /// Its place in the array, from 0.
        index: usize,
        /// What is wrong with it.
        source: Box<JwkError>,
    },
}

impl JwkError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            JwkError::NotASet
            | JwkError::TooManyKeys(_)
            | JwkError::DuplicateKid
            | JwkError::InSet { .. } => ErrorCode::InvalidKeySet,
            _ => ErrorCode::InvalidKey,
        }
    }
}

/// Why a token is not valid. All share one code: a stranger is not told more.
///
/// ```
/// use agentidp_core::ErrorCode;
/// use agentidp_core::jose::{VerifyError, parse_compact};
/// let error = parse_compact("no token").unwrap_err();
/// assert_eq!(error, VerifyError::Form);
/// assert_eq!(error.code(), ErrorCode::InvalidToken);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Longer than any token that we read.
    #[error("the token has {size} bytes, more than the limit of {limit}")]
    TooLong {
        /// Its length in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not three parts of canonical base64url.
    #[error("the token is not a signed token in compact form")]
    Form,
    /// The header is refused.
    #[error("the token's header is refused: {0}")]
    Header(&'static str),
    /// The header's `typ` is not that of the tokens expected here.
    #[error("the token is of another type than the one expected here")]
    Type,
    /// No key by that name, or no name and more than one key.
    #[error("no key of the set is the one that the token names")]
    UnknownKey,
    /// The header names another algorithm than the key's.
    #[error("the token names another algorithm than its key's")]
    Algorithm,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The payload is not a JSON object that we read.
    #[error("the token's payload is not an acceptable JSON object")]
    Payload,
    /// A claim is missing or malformed.
    #[error("the claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// Another organization than the verifier was made for.
    #[error("the token is of another organization's agent")]
    Organization,
    /// Another issuer.
    #[error("the token was issued by another issuer")]
    Issuer,
    /// Another audience.
    #[error("the token is for another audience")]
    Audience,
    /// Bound to a key that nobody proved to have.
    #[error("the token is bound to a key, and no proof of having it was presented")]
    ProofMissing,
    /// Bound to another key than the one that was proven, or to none.
    #[error("the token is not bound to the key that was proven")]
    ProofMismatch,
    /// Past its end.
    #[error("the token has expired")]
    Expired,
    /// Before its beginning, or issued in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Made to live longer than a token may.
    #[error("the token's life is longer than the limit")]
    LifeTooLong,
}

impl VerifyError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidToken
    }
}
