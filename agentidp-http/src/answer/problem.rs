//! Failures of everything but OAuth's own endpoints (RFC 9457).

use agentidp_core::{
    AccessError, AgentError, AuditError, CredentialError, Denied, ErrorCode, Invalid, OrgError,
    Overloaded, RateLimited, TokenError,
};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Challenge, Inside};

/// Seconds after which it is worth asking a server again that had no room.
const RETRY_AFTER_SECONDS: &str = "1";

/// Why a request has no result. `RequestId::write` writes its body, with the name of the request,
/// and its challenge.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    /// Boxed: a problem is the other half of every result.
    inside: Box<Inside>,
    detail: String,
    hint: Option<&'static str>,
    challenge: Option<Challenge>,
}

impl Problem {
    /// The failure of that code.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Problem {
        let status = StatusCode::from_u16(code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (detail, name) = (detail.into(), code.as_str());
        // What is wrong inside is for the log of the server, and not for strangers.
        let (detail, inside) = if status.is_server_error() {
            (code.meaning().to_owned(), Inside::hidden(name, &detail))
        } else {
            (detail, Inside::told(name))
        };
        let hint = status.is_client_error().then_some(code.hint());
        let challenge = match code {
            ErrorCode::InvalidToken => Some(Challenge::TokenInvalid),
            ErrorCode::InsufficientScope => Some(Challenge::ScopeMissing(None)),
            _ => None,
        };
        Problem { status, inside: Box::new(inside), detail, hint, challenge }
    }

    /// A failure of the protocol itself, which the library has no code for.
    pub(crate) fn of(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        let (inside, detail) = (Inside::told(code), detail.into());
        Problem { status, inside: Box::new(inside), detail, hint: None, challenge: None }
    }

    /// Too many requests have come.
    pub(crate) fn limited(limited: RateLimited) -> Problem {
        let mut problem = Problem::new(limited.code(), limited.to_string());
        problem.inside.limited = Some(Box::new(limited));
        problem
    }

    /// Tells what the request lacks to be let in.
    pub(crate) fn challenging(mut self, challenge: Challenge) -> Problem {
        self.challenge = Some(challenge);
        self
    }

    /// What the request lacks to be let in, where that is why.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        self.challenge
    }

    /// Names the scope that the token lacks.
    fn lacking(self, scope: &'static str) -> Problem {
        self.challenging(Challenge::ScopeMissing(Some(scope)))
    }

    /// A proof that is refused is a failure of the request at the token endpoint, and one of the
    /// authentication here (RFC 9449 sections 5 and 7.1).
    pub(crate) fn unproven(self, challenge: Challenge) -> Problem {
        Problem { status: StatusCode::UNAUTHORIZED, ..self.challenging(challenge) }
    }

    /// There is nothing here, or nothing that the caller may see.
    pub(crate) fn not_found() -> Problem {
        Problem::new(ErrorCode::NotFound, "there is nothing by that name")
    }

    /// There is something here, and it is not asked for like that.
    pub(crate) fn method_not_allowed() -> Problem {
        let detail = "the method is not one of those in `Allow`";
        Problem::of(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// The stable text of its code.
    pub(crate) fn code(&self) -> &'static str {
        self.inside.code
    }

    /// The status that carries it.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body (RFC 9457 section 3.1), for the request of that name.
    pub(crate) fn body(&self, request_id: &str) -> String {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code(),
            "requestId": request_id,
        });
        if let (Some(hint), Some(body)) = (self.hint, body.as_object_mut()) {
            body.insert("hint".to_owned(), hint.into());
        }
        body.to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response.extensions_mut().insert(Inside::clone(&self.inside));
        response.extensions_mut().insert(self);
        response
    }
}

/// The library's own words are for whoever calls it, and say nothing that they may not know.
macro_rules! problem_of {
    ($($error:ty $(, lacking $lacking:path)?;)*) => { $(
        impl From<$error> for Problem {
            fn from(error: $error) -> Problem {
                let problem = Problem::new(error.code(), error.to_string());
                $(if let $lacking(Denied::ScopeMissing(scope)) = error {
                    return problem.lacking(scope);
                })?
                problem
            }
        }
    )* };
}

problem_of! {
    OrgError, lacking OrgError::Denied;
    AgentError, lacking AgentError::Denied;
    CredentialError, lacking CredentialError::Denied;
    AuditError, lacking AuditError::Denied;
    Invalid;
    Overloaded;
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Problem {
        let problem = Problem::new(error.code(), error.to_string());
        match error {
            AccessError::ScopeMissing(scope) => problem.lacking(scope),
            AccessError::Proof(_) | AccessError::ProofUsed => {
                problem.unproven(Challenge::ProofInvalid)
            }
            AccessError::NonceMissing => problem.unproven(Challenge::NonceMissing),
            AccessError::RateLimited(limited) => Problem::limited(limited),
            _ => problem,
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Problem {
        let problem = Problem::new(error.code(), error.to_string());
        match error {
            TokenError::Denied(Denied::ScopeMissing(scope)) => problem.lacking(scope),
            TokenError::RateLimited(limited) => Problem::limited(limited),
            _ => problem,
        }
    }
}
