//! Failures of OAuth's endpoints (RFC 6749 section 5.2).

use agentidp_core::{ErrorCode, Overloaded, TokenError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request to the token, introspection or revocation endpoint has no result.
#[derive(Debug, Clone)]
pub(crate) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
    challenge: bool,
}

impl OAuthError {
    /// The failure of that code.
    pub(crate) fn new(code: ErrorCode, description: &str) -> OAuthError {
        let status = StatusCode::from_u16(code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = if status.is_server_error() { code.meaning() } else { description };
        let error = code.oauth_error().unwrap_or(code.as_str());
        OAuthError { status, error, description: printable(text), challenge: false }
    }

    /// A request that is not one (RFC 6749 section 5.2, `invalid_request`).
    pub(crate) fn invalid_request(description: &str) -> OAuthError {
        OAuthError::new(ErrorCode::InvalidInput, description)
    }

    /// Adds the challenge that a client which sent the `Authorization` field is due.
    pub(crate) fn challenging(mut self, challenge: bool) -> OAuthError {
        self.challenge = challenge && self.status == StatusCode::UNAUTHORIZED;
        self
    }
}

/// The characters that a description may have (RFC 6749 section 5.2).
fn printable(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars().map(|c| if allowed(c) { c } else { '\'' }).collect()
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if self.challenge {
            let basic = HeaderValue::from_static("Basic realm=\"agentidp\"");
            headers.insert(header::WWW_AUTHENTICATE, basic);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<TokenError> for OAuthError {
    fn from(error: TokenError) -> OAuthError {
        OAuthError::new(error.code(), &error.to_string())
    }
}

impl From<Overloaded> for OAuthError {
    fn from(error: Overloaded) -> OAuthError {
        OAuthError::new(error.code(), &error.to_string())
    }
}
