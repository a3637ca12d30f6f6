//! Members of organizations.

use agentidp_core::{AgentId, ErrorCode, Role};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::app::App;
use crate::openapi::schemas;

use super::call::Call;
use super::params::{DoneOnce, Id, MemberId, PageOf};
use super::precondition::no_precondition;
use super::reply::Reply;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(add, list)).routes(routes!(set_role, remove))
}

/// What a member may be.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MemberRole {
    /// Manages the organization and all its members.
    Owner,
    /// Manages its settings, and members that are neither owners nor admins.
    Admin,
    /// Belongs to it.
    Member,
}

impl From<MemberRole> for Role {
    fn from(role: MemberRole) -> Role {
        match role {
            MemberRole::Owner => Role::Owner,
            MemberRole::Admin => Role::Admin,
            MemberRole::Member => Role::Member,
        }
    }
}

/// An agent that becomes a member.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MemberToAdd {
    /// The agent, which must be the organization's own.
    #[schema(format = "uuid")]
    agent_id: String,
    /// What it becomes.
    role: MemberRole,
}

/// A change of a member (RFC 7396).
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MemberPatch {
    /// What it becomes.
    role: MemberRole,
}

/// Make an agent a member of its organization
///
/// Owners may add anybody, admins those of the role `member`; and `admin:orgs` anybody anywhere.
#[utoipa::path(
    post,
    path = "/organizations/{id}/members",
    operation_id = "addMember",
    tag = "members",
    params(Id, DoneOnce),
    request_body = MemberToAdd,
    responses((status = 201, description = "It is a member.", body = schemas::Member)),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn add(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let body: MemberToAdd = work.body()?;
        let agent = AgentId::parse(&body.agent_id)
            .map_err(|error| Problem::new(ErrorCode::InvalidInput, format!("agentId: {error}")))?;
        Reply::created(&work.named_org()?.add_member(&agent, body.role.into())?)
    })
    .await
}

/// List the members of an organization
///
/// One's own, with any token of it; any other with `admin:orgs`.
#[utoipa::path(
    get,
    path = "/organizations/{id}/members",
    operation_id = "listMembers",
    tag = "members",
    params(Id, PageOf),
    responses((status = 200, description = "A page of them.", body = schemas::MemberPage)),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn list(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| Reply::ok(&work.named_org()?.members(&work.page()?)?)).await
}

/// Give a member another role
///
/// Owners may, and `admin:orgs`. The last owner stays one, and nobody raises itself.
#[utoipa::path(
    patch,
    path = "/organizations/{id}/members/{agentId}",
    operation_id = "setMemberRole",
    tag = "members",
    params(Id, MemberId, DoneOnce),
    request_body(content((MemberPatch = "application/merge-patch+json"), (MemberPatch = "application/json"))),
    responses((status = 200, description = "As it is now.", body = schemas::Member)),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn set_role(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        no_precondition(work.headers())?;
        let body: MemberPatch = work.patch()?;
        let agent = work.agent_id("agentId")?;
        Reply::ok(&work.named_org()?.set_member_role(&agent, body.role.into())?)
    })
    .await
}

/// End a membership
///
/// The agent stays an agent of the organization. The last owner stays a member.
#[utoipa::path(
    delete,
    path = "/organizations/{id}/members/{agentId}",
    operation_id = "removeMember",
    tag = "members",
    params(Id, MemberId, DoneOnce),
    responses((status = 204, description = "It is no member any more.")),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn remove(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        work.query(&[])?;
        work.named_org()?.remove_member(&work.agent_id("agentId")?)?;
        Ok(Reply::done())
    })
    .await
}
