//! Every answer names its request: in `X-Request-Id`, and in the body of a problem.

use agentidp_core::{EventId, SystemClock, SystemRng};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use super::{Challenge, Problem, hand_out_nonce};
use crate::app::App;

/// The field that carries it.
const FIELD: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request. Ours: what clients send could be anything.
#[derive(Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// A new name.
    pub(crate) fn new() -> RequestId {
        let id = EventId::generate(&SystemClock, &SystemRng).map(|id| id.to_string());
        RequestId(id.unwrap_or_default())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Names the request in its answer, and writes the body and the challenge of a problem.
    pub(crate) fn write(&self, app: &App, response: &mut Response) {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            *response.body_mut() = Body::from(problem.body(&self.0));
            let challenge = problem.challenge();
            let resource = app.documents().resource_metadata_url();
            for field in challenge.map(|challenge| challenge.fields(resource)).unwrap_or_default() {
                response.headers_mut().append(header::WWW_AUTHENTICATE, field);
            }
            if challenge == Some(Challenge::NonceMissing) {
                hand_out_nonce(app, response);
            }
        }
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(FIELD, value);
        }
    }
}
