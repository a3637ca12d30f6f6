//! Failures of OAuth's endpoints (RFC 6749 section 5.2).

use agentidp_core::{ErrorCode, Overloaded, RateLimited, TokenError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Inside;

/// Why a request to the token, introspection or revocation endpoint has no result.
#[derive(Debug, Clone)]
pub(crate) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
    inside: Inside,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    error_description: &'a str,
}

impl OAuthError {
    /// The failure of that code.
    pub(crate) fn new(code: ErrorCode, description: &str) -> OAuthError {
        let status = StatusCode::from_u16(code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (text, inside) = if status.is_server_error() {
            (code.meaning(), Inside::hidden(code.as_str(), description))
        } else {
            (description, Inside::told(code.as_str()))
        };
        let error = code.oauth_error().unwrap_or(code.as_str());
        OAuthError { status, error, description: printable(text), inside }
    }

    /// A request that is not one (RFC 6749 section 5.2, `invalid_request`).
    pub(crate) fn invalid_request(description: &str) -> OAuthError {
        OAuthError::new(ErrorCode::InvalidInput, description)
    }

    /// The failure of the protocol itself, which the library has no code for.
    pub(crate) fn of(status: StatusCode, error: &'static str, description: &str) -> OAuthError {
        OAuthError {
            status,
            error,
            description: printable(description),
            inside: Inside::told(error),
        }
    }

    /// Too many requests have come.
    pub(crate) fn limited(limited: RateLimited) -> OAuthError {
        let mut error = OAuthError::new(limited.code(), &limited.to_string());
        error.inside.limited = Some(Box::new(limited));
        error
    }

    /// Whether it is the failure of that code.
    pub(crate) fn is(&self, code: ErrorCode) -> bool {
        code.oauth_error() == Some(self.error)
    }

    /// The client does not prove itself.
    pub(crate) fn invalid_client(description: &str) -> OAuthError {
        OAuthError::new(ErrorCode::InvalidClient, description)
    }

    /// There is something here, and it is not asked for like that.
    pub(crate) fn method_not_allowed() -> OAuthError {
        let description = "the method is not one of those in Allow";
        OAuthError::of(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", description)
    }
}

/// The characters that a description may have (RFC 6749 section 5.2).
fn printable(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars().map(|c| if allowed(c) { c } else { '\'' }).collect()
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: self.error, error_description: &self.description };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        // Any 401 needs a challenge (RFC 9110 section 15.5.2), also to who tried without the field.
        if self.status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"agentidp\"");
            headers.insert(header::WWW_AUTHENTICATE, basic);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self.inside);
        response
    }
}

impl From<TokenError> for OAuthError {
    fn from(error: TokenError) -> OAuthError {
        let mut failed = OAuthError::new(error.code(), &error.to_string());
        match error {
            TokenError::RateLimited(limited) => return OAuthError::limited(limited),
            TokenError::QuotaExceeded { retry_after, .. } => {
                failed.inside.retry_after = Some(retry_after);
            }
            _ => {}
        }
        failed
    }
}

impl From<Overloaded> for OAuthError {
    fn from(error: Overloaded) -> OAuthError {
        OAuthError::new(error.code(), &error.to_string())
    }
}
