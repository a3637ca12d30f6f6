//! The audit trail of the caller's organization.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::app::App;
use crate::openapi::schemas;

use super::call::Call;
use super::params::PageOfTrail;
use super::reply::Reply;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(verify))
}

/// List the audit trail of one's organization
///
/// In its order: the oldest entry first.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(PageOfTrail),
    responses((status = 200, description = "A page of it.", body = schemas::AuditPage)),
    security(("oauth2" = ["audit:read"]), ("bearer" = []))
)]
async fn list(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| Reply::ok(&work.own().audit(&work.page()?)?)).await
}

/// Verify the audit trail of one's organization against itself
///
/// Every hash, every link, every number, and the head. That it is broken is an answer, not an error.
#[utoipa::path(
    get,
    path = "/audit/verify",
    operation_id = "verifyAudit",
    tag = "audit",
    responses((status = 200, description = "What was found.", body = schemas::AuditReport)),
    security(("oauth2" = ["audit:read"]), ("bearer" = []))
)]
async fn verify(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        work.query(&[])?;
        Reply::ok(&work.own().verify_audit()?)
    })
    .await
}
