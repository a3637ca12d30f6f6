//! The public keys that tokens are verified with (RFC 7517).

use agentidp_core::base::limits::JWKS_AGE_MAX;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::answer::{Document, Problem};
use crate::app::App;

/// `GET /.well-known/jwks.json`. Written anew each time: the keys are those of this moment, and so
/// few that keeping their text would save nothing.
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let keys = app.idp().jwks().await?;
    Ok(Document::new(keys.to_json(), "application/jwk-set+json", JWKS_AGE_MAX).answer(&headers))
}
