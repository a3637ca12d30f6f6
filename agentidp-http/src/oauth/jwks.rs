//! The public keys that tokens are verified with (RFC 7517).

use agentidp_core::base::limits::JWKS_AGE_MAX;
use agentidp_core::jose::Jwks;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::answer::{Document, Problem};
use crate::app::App;

/// `GET /.well-known/jwks.json`. Written anew each time: the keys are those of this moment, and so
/// few that keeping their text would save nothing.
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let keys = published(&app).await?;
    Ok(Document::new(keys.to_json(), "application/jwk-set+json", JWKS_AGE_MAX).answer(&headers))
}

/// The keys that are published. A set without any is no answer: whoever keeps it refuses every token for
/// as long, also once there is a key again.
pub(super) async fn published(app: &App) -> Result<Jwks, Problem> {
    let keys = app.idp().jwks().await?;
    if keys.keys().is_empty() {
        let detail = "there is no key that tokens could be verified with";
        return Err(Problem::of(StatusCode::SERVICE_UNAVAILABLE, "no_signing_key", detail));
    }
    Ok(keys)
}
