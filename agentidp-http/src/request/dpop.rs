//! The proof that a request comes from who has a key (RFC 9449 section 4.1).

use axum::http::{HeaderMap, HeaderName};

/// The field that carries it.
const FIELD: HeaderName = HeaderName::from_static("dpop");

/// There is no one proof in one field (RFC 9449 section 4.3, check 1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotOneProof;

/// The proof of a request, if it has one.
pub(crate) fn proof(headers: &HeaderMap) -> Result<Option<&str>, NotOneProof> {
    let mut fields = headers.get_all(FIELD).iter();
    match (fields.next().map(|field| field.to_str()), fields.next()) {
        (None, _) => Ok(None),
        (Some(Ok(proof)), None) if !proof.is_empty() => Ok(Some(proof)),
        _ => Err(NotOneProof),
    }
}
