//! OAuth 2.0 and OpenID Connect: tokens, questions about them, keys and metadata.

use axum::Router;

use crate::app::App;

/// The routes of OAuth and OpenID Connect.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
