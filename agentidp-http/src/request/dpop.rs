//! The proof that a request comes from who has a key (RFC 9449 section 4.1).

use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::answer::OAuthError;

/// The field that carries it.
const FIELD: HeaderName = HeaderName::from_static("dpop");

/// The proof of a request, if it has one. There is one at most (RFC 9449 section 4.3, check 1).
pub(crate) fn proof(headers: &HeaderMap) -> Result<Option<&str>, OAuthError> {
    let mut fields = headers.get_all(FIELD).iter();
    match (fields.next().map(|field| field.to_str()), fields.next()) {
        (None, _) => Ok(None),
        (Some(Ok(proof)), None) if !proof.is_empty() => Ok(Some(proof)),
        _ => Err(refused("there must be one proof in one DPoP field")),
    }
}

/// The answer to a proof that is none (RFC 9449 section 5).
pub(crate) fn refused(description: &str) -> OAuthError {
    OAuthError::of(StatusCode::BAD_REQUEST, "invalid_dpop_proof", description)
}
