//! The REST API: organizations, members, agents, credentials, the audit trail.

use axum::Router;

use crate::app::App;

/// The routes of the REST API.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
