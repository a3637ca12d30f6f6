//! Keys of agents: those held for them, and those whose private halves they hold.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use agentidp_core::AgentKey;

use crate::answer::Problem;
use crate::app::App;
use crate::openapi::schemas;

use super::call::Call;
use super::params::{DoneOnce, Id, Kid};
use super::reply::Reply;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(add, list))
        .routes(routes!(revoke))
        .routes(routes!(rotate))
}

/// A public key to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyToAdd {
    /// The key, a JWK or PEM as text.
    #[schema(max_length = 16384)]
    public_key: String,
}

/// How a key is replaced.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyRotation {
    /// For how many seconds the old key is still published; a day unless given.
    #[schema(minimum = 0, maximum = 7776000)]
    overlap_seconds: Option<u32>,
}

impl KeyRotation {
    /// A day covers those who keep a copy of the old key.
    const OVERLAP: Duration = Duration::from_secs(24 * 3600);

    pub(super) fn overlap(&self) -> Duration {
        self.overlap_seconds.map_or(Self::OVERLAP, |seconds| Duration::from_secs(seconds.into()))
    }
}

#[derive(Serialize)]
struct Keys {
    items: Vec<AgentKey>,
}

/// Register a public key whose private half the agent holds
///
/// It goes by its thumbprint (RFC 7638), whatever name the JWK gives it.
#[utoipa::path(
    post,
    path = "/agents/{id}/keys",
    operation_id = "addAgentKey",
    tag = "agents",
    params(Id, DoneOnce),
    request_body = KeyToAdd,
    responses((status = 201, description = "It is the agent's.", body = schemas::AgentKey)),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn add(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let body: KeyToAdd = work.body()?;
        Reply::created(&work.own().add_agent_key(&work.agent_id("id")?, &body.public_key)?)
    })
    .await
}

/// List the public halves of an agent's keys that are published
///
/// The oldest first; there are at most ten.
#[utoipa::path(
    get,
    path = "/agents/{id}/keys",
    operation_id = "listAgentKeys",
    tag = "agents",
    params(Id),
    responses((status = 200, description = "All of them.", body = schemas::AgentKeys)),
    security(("oauth2" = ["agents:read"]), ("bearer" = []))
)]
async fn list(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        work.query(&[])?;
        Reply::ok(&Keys { items: work.own().agent_keys(&work.agent_id("id")?)? })
    })
    .await
}

/// End a key of an agent for good
///
/// It is published no more and proves nothing, and the agent cannot have it again.
#[utoipa::path(
    delete,
    path = "/agents/{id}/keys/{kid}",
    operation_id = "revokeAgentKey",
    tag = "agents",
    params(Id, Kid, DoneOnce),
    responses((status = 204, description = "It is the agent's no more.")),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn revoke(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        work.query(&[])?;
        work.own().revoke_agent_key(&work.agent_id("id")?, work.kid())?;
        Ok(Reply::done())
    })
    .await
}

/// Replace the key that is held for an agent
#[utoipa::path(
    post,
    path = "/agents/{id}/rotate-keys",
    operation_id = "rotateAgentKeys",
    tag = "agents",
    params(Id, DoneOnce),
    request_body = Option<KeyRotation>,
    responses((status = 200, description = "The new key.", body = schemas::AgentKey)),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn rotate(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let overlap = work.body_or_default::<KeyRotation>()?.overlap();
        Reply::ok(&work.own().rotate_agent_keys(&work.agent_id("id")?, overlap)?)
    })
    .await
}
