//! What a request with an access token lacks, told in `WWW-Authenticate` (RFC 6750 section 3).

use axum::http::HeaderValue;

/// Why a request is not let in, as far as its bearer may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// There is no token: no error code is told then (RFC 6750 section 3.1).
    TokenMissing,
    /// The field is not one that carries a token.
    RequestMalformed,
    /// The token is not valid.
    TokenInvalid,
    /// The token lacks a scope, which is this one where that is one.
    ScopeMissing(Option<&'static str>),
}

impl Challenge {
    /// The field, which also says where the resource tells about itself (RFC 9728 section 5.1).
    pub(crate) fn field(self, resource_metadata: &str) -> Option<HeaderValue> {
        let mut field = String::from("Bearer realm=\"agentidp\"");
        if let Some(error) = self.error() {
            field.push_str(", error=\"");
            field.push_str(error);
            field.push('"');
        }
        if let Challenge::ScopeMissing(Some(scope)) = self {
            field.push_str(", scope=\"");
            field.push_str(scope);
            field.push('"');
        }
        field.push_str(", resource_metadata=\"");
        field.push_str(resource_metadata);
        field.push('"');
        HeaderValue::from_str(&field).ok()
    }

    fn error(self) -> Option<&'static str> {
        match self {
            Challenge::TokenMissing => None,
            Challenge::RequestMalformed => Some("invalid_request"),
            Challenge::TokenInvalid => Some("invalid_token"),
            Challenge::ScopeMissing(_) => Some("insufficient_scope"),
        }
    }
}
