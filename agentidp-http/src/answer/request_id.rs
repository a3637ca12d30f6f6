//! Every answer names its request: in `X-Request-Id`, and in the body of a problem.

use agentidp_core::{EventId, SystemClock, SystemRng};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Problem;
use crate::app::App;

/// The field that carries it.
const FIELD: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request. Ours: what clients send could be anything.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Names the request, and writes the body and the challenge of a problem.
pub(crate) async fn attach(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = EventId::generate(&SystemClock, &SystemRng).map(|id| id.to_string());
    let id = id.unwrap_or_default();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.body(&id));
        let resource = app.documents().resource_metadata_url();
        if let Some(field) = problem.challenge().and_then(|challenge| challenge.field(resource)) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, field);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(FIELD, value);
    }
    response
}
