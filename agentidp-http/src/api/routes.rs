//! Where the API answers, and its description.

use agentidp_core::model::Issuer;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::openapi;

use super::body::BODY_BYTES_MAX;
use super::{agent_keys, agents, audit, credentials, members, orgs};

/// The routes of the REST API, and of the document that describes them.
pub(crate) fn routes(app: &App) -> Router<App> {
    let (routes, described) = described().split_for_parts();
    let issuer = app.idp().idp().status().issuer;
    routes.merge(openapi::routes(described, issuer.as_str()))
}

/// The document that an instance which goes by `issuer` serves as `/openapi.json` (OpenAPI 3.1).
///
/// ```
/// use agentidp_core::Issuer;
/// let document = agentidp_http::openapi_document(&Issuer::parse("https://idp.example.com")?);
/// assert_eq!(document["openapi"], "3.1.0");
/// assert!(document["paths"].get("/agents").is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn openapi_document(issuer: &Issuer) -> serde_json::Value {
    openapi::complete(described().split_for_parts().1, issuer.as_str())
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .merge(orgs::routes())
        .merge(members::routes())
        .merge(agents::routes())
        .merge(agent_keys::routes())
        .merge(credentials::routes())
        .merge(audit::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
