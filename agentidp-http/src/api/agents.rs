//! Agents of the caller's organization.

use agentidp_core::base::limits::NAME_CHARS_MAX;
use agentidp_core::crypto::Alg;
use agentidp_core::{
    Agent, AgentChanges, AgentError, AgentFilter, AgentId, AgentStatus, NewAgent, OrgHandle,
};
use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::app::App;
use crate::openapi::schemas;

use super::body::{given, removable};
use super::call::{Call, Work};
use super::params::{Audience, DoneOnce, Id, IfMatch, IfNoneMatch, PageOf, Scope, Skill};
use super::precondition::if_match;
use super::query::refused;
use super::reply::Reply;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(register, list))
        .routes(routes!(show, update, decommission))
        .routes(routes!(suspend))
        .routes(routes!(reactivate))
}

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub(crate) enum TokenAlg {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "RS256")]
    Rs256,
}

impl From<TokenAlg> for Alg {
    fn from(alg: TokenAlg) -> Alg {
        match alg {
            TokenAlg::Es256 => Alg::Es256,
            TokenAlg::EdDsa => Alg::EdDsa,
            TokenAlg::Rs256 => Alg::Rs256,
        }
    }
}

/// An agent to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AgentToRegister {
    /// Its name for people.
    #[schema(
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200,
        example = "invoice-bot"
    )]
    name: String,
    /// What it does.
    #[schema(
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 2000
    )]
    description: Option<String>,
    /// Who is responsible for it.
    #[schema(
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    owner: Option<String>,
    /// The scopes it may ask for (RFC 6749 section 3.3). Nobody grants one that it does not hold.
    #[serde(default)]
    #[schema(max_items = 64, value_type = Vec<Scope>)]
    scopes: Vec<String>,
    /// The resources it may ask tokens for: absolute URIs without fragment (RFC 8707).
    #[serde(default)]
    #[schema(max_items = 16, value_type = Vec<Audience>)]
    audiences: Vec<String>,
    /// What it is good at: names of OASF skills.
    #[serde(default)]
    #[schema(max_items = 64, value_type = Vec<Skill>)]
    capabilities: Vec<String>,
    /// Where it is reached itself: https, or http on `localhost`.
    #[schema(format = "uri", max_length = 2048)]
    url: Option<String>,
    /// The longest life of its tokens, in seconds.
    #[schema(minimum = 60, maximum = 3600)]
    token_life_seconds_max: Option<i64>,
    /// What its tokens are signed by; what the instance's are unless given.
    token_alg: Option<TokenAlg>,
    /// Public keys whose private halves it holds, each a JWK or PEM as text.
    #[serde(default)]
    #[schema(max_items = 9)]
    public_keys: Vec<String>,
}

impl From<AgentToRegister> for NewAgent {
    fn from(body: AgentToRegister) -> NewAgent {
        let mut new = NewAgent::new(body.name);
        if let Some(description) = body.description {
            new = new.description(description);
        }
        if let Some(owner) = body.owner {
            new = new.owner(owner);
        }
        if let Some(url) = body.url {
            new = new.url(url);
        }
        if let Some(seconds) = body.token_life_seconds_max {
            new = new.token_life_seconds_max(seconds);
        }
        if let Some(alg) = body.token_alg {
            new = new.token_alg(alg.into());
        }
        new = body.scopes.into_iter().fold(new, NewAgent::scope);
        new = body.audiences.into_iter().fold(new, NewAgent::audience);
        new = body.capabilities.into_iter().fold(new, NewAgent::capability);
        body.public_keys.iter().fold(new, |new, key| new.public_key(key))
    }
}

/// Changes of an agent (RFC 7396): what is absent stays, what is `null` is removed, a list replaces the
/// one before.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AgentPatch {
    /// Its name for people.
    #[serde(default, deserialize_with = "given")]
    #[schema(
        nullable = false,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    name: Option<String>,
    /// What it does.
    #[serde(default, deserialize_with = "removable")]
    #[schema(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", max_length = 2000)]
    description: Option<Option<String>>,
    /// Who is responsible for it.
    #[serde(default, deserialize_with = "removable")]
    #[schema(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", max_length = 200)]
    owner: Option<Option<String>>,
    /// All scopes that it may ask for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<Scope>, required = false, max_items = 64)]
    scopes: Option<Vec<String>>,
    /// All resources that it may ask tokens for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<Audience>, required = false, max_items = 16)]
    audiences: Option<Vec<String>>,
    /// All that it is good at.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<Skill>, required = false, max_items = 64)]
    capabilities: Option<Vec<String>>,
    /// Where it is reached itself.
    #[serde(default, deserialize_with = "removable")]
    #[schema(value_type = Option<String>, format = "uri", max_length = 2048)]
    url: Option<Option<String>>,
    /// The longest life of its tokens, in seconds.
    #[serde(default, deserialize_with = "removable")]
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 3600)]
    token_life_seconds_max: Option<Option<i64>>,
    /// What its tokens are signed by; what the instance's are where it is removed.
    #[serde(default, deserialize_with = "removable")]
    #[schema(value_type = Option<TokenAlg>)]
    token_alg: Option<Option<TokenAlg>>,
}

impl From<AgentPatch> for AgentChanges {
    fn from(body: AgentPatch) -> AgentChanges {
        let mut changes = AgentChanges::new();
        if let Some(name) = body.name {
            changes = changes.name(name);
        }
        changes = match body.description {
            Some(Some(description)) => changes.description(description),
            Some(None) => changes.without_description(),
            None => changes,
        };
        changes = match body.owner {
            Some(Some(owner)) => changes.owner(owner),
            Some(None) => changes.without_owner(),
            None => changes,
        };
        changes = match body.url {
            Some(Some(url)) => changes.url(url),
            Some(None) => changes.without_url(),
            None => changes,
        };
        changes = match body.token_life_seconds_max {
            Some(Some(seconds)) => changes.token_life_seconds_max(seconds),
            Some(None) => changes.without_token_life_seconds_max(),
            None => changes,
        };
        changes = match body.token_alg {
            Some(Some(alg)) => changes.token_alg(alg.into()),
            Some(None) => changes.without_token_alg(),
            None => changes,
        };
        if let Some(scopes) = body.scopes {
            changes = changes.scopes(scopes);
        }
        if let Some(audiences) = body.audiences {
            changes = changes.audiences(audiences);
        }
        if let Some(capabilities) = body.capabilities {
            changes = changes.capabilities(capabilities);
        }
        changes
    }
}

/// Which agents.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "the document is written from the fields, and requests are read by hand"
)]
struct Which {
    /// Those of this status alone.
    #[param(inline)]
    status: Option<schemas::AgentStatus>,
    /// Those that this person is responsible for alone.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", max_length = 200)]
    owner: Option<String>,
}

/// Register an agent
///
/// Its DID and the keys that are held for it are made with it.
#[utoipa::path(
    post,
    path = "/agents",
    operation_id = "registerAgent",
    tag = "agents",
    params(DoneOnce),
    request_body = AgentToRegister,
    responses((status = 201, description = "It is registered.", body = schemas::Agent, headers(
        ("Location" = String, description = "Where it is found."),
        ("ETag" = String, description = "Its version."),
    ))),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn register(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let agent = work.own().register_agent(work.body::<AgentToRegister>()?.into())?;
        let url = work.url(&format!("/agents/{}", agent.id));
        Ok(Reply::created(&agent)?.version(agent.version()).location(url))
    })
    .await
}

/// List the agents of one's organization
///
/// In the order of their ids: the oldest first.
#[utoipa::path(
    get,
    path = "/agents",
    operation_id = "listAgents",
    tag = "agents",
    params(PageOf, Which),
    responses((status = 200, description = "A page of them.", body = schemas::AgentPage)),
    security(("oauth2" = ["agents:read"]), ("bearer" = []))
)]
async fn list(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        let query = work.query(&["limit", "cursor", "status", "owner"])?;
        let no_status = || refused("status: no agent has a status of that name");
        let status = query.get("status").map(|name| AgentStatus::parse(name).ok_or_else(no_status));
        let (status, owner) = (status.transpose()?, query.get("owner"));
        if owner.is_some_and(|owner| owner.chars().count() > NAME_CHARS_MAX) {
            return Err(refused("owner: longer than a name may be"));
        }
        let filter = match (status, owner) {
            (Some(status), Some(owner)) => AgentFilter::OwnerAndStatus(owner.to_owned(), status),
            (None, Some(owner)) => AgentFilter::Owner(owner.to_owned()),
            (Some(status), None) => AgentFilter::Status(status),
            (None, None) => AgentFilter::All,
        };
        Reply::ok(&work.own().list_agents(&filter, &query.page()?)?)
    })
    .await
}

/// Show an agent
#[utoipa::path(
    get,
    path = "/agents/{id}",
    operation_id = "showAgent",
    tag = "agents",
    params(Id, IfNoneMatch),
    responses(
        (status = 200, description = "The agent.", body = schemas::Agent,
            headers(("ETag" = String, description = "Its version."))),
        (status = 304, description = "The client has it already."),
    ),
    security(("oauth2" = ["agents:read"]), ("bearer" = []))
)]
async fn show(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        work.query(&[])?;
        let agent = work.own().agent(&work.agent_id("id")?)?;
        told(&agent)?.unless_known(work.headers())
    })
    .await
}

/// Change what an agent is registered with
///
/// A merge patch (RFC 7396).
#[utoipa::path(
    patch,
    path = "/agents/{id}",
    operation_id = "updateAgent",
    tag = "agents",
    params(Id, IfMatch, DoneOnce),
    request_body(content((AgentPatch = "application/merge-patch+json"), (AgentPatch = "application/json"))),
    responses((status = 200, description = "As it is now.", body = schemas::Agent,
        headers(("ETag" = String, description = "Its version.")))),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn update(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let changes = AgentChanges::from(work.patch::<AgentPatch>()?);
        let (org, id) = (work.own(), work.agent_id("id")?);
        let changed = if_match(work.headers(), |version| match version {
            Some(version) => org.update_agent(&id, &changes.clone().expected_version(version)),
            None => org.update_agent(&id, &changes),
        })?;
        told(&changed)
    })
    .await
}

/// Decommission an agent, for good
///
/// Its tokens end, its credentials and keys are revoked. Its id stays its own, and it can still be seen.
#[utoipa::path(
    delete,
    path = "/agents/{id}",
    operation_id = "decommissionAgent",
    tag = "agents",
    params(Id, DoneOnce),
    responses((status = 204, description = "It is decommissioned.")),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn decommission(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        work.query(&[])?;
        work.own().decommission_agent(&work.agent_id("id")?)?;
        Ok(Reply::done())
    })
    .await
}

/// Suspend an agent
///
/// It gets no tokens, and those it has end, until it is reactivated.
#[utoipa::path(
    post,
    path = "/agents/{id}/suspend",
    operation_id = "suspendAgent",
    tag = "agents",
    params(Id, DoneOnce),
    responses((status = 200, description = "As it is now.", body = schemas::Agent,
        headers(("ETag" = String, description = "Its version.")))),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn suspend(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| turn(work, OrgHandle::suspend_agent)).await
}

/// Let a suspended agent act again
///
/// By the credentials it had, and with new tokens.
#[utoipa::path(
    post,
    path = "/agents/{id}/reactivate",
    operation_id = "reactivateAgent",
    tag = "agents",
    params(Id, DoneOnce),
    responses((status = 200, description = "As it is now.", body = schemas::Agent,
        headers(("ETag" = String, description = "Its version.")))),
    security(("oauth2" = ["agents:write"]), ("bearer" = []))
)]
async fn reactivate(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| turn(work, OrgHandle::reactivate_agent)).await
}

fn turn(
    work: &Work,
    verb: impl FnOnce(&OrgHandle, &AgentId) -> Result<Agent, AgentError>,
) -> Result<Reply, Problem> {
    work.query(&[])?;
    told(&verb(&work.own(), &work.agent_id("id")?)?)
}

fn told(agent: &Agent) -> Result<Reply, Problem> {
    Ok(Reply::ok(agent)?.version(agent.version()))
}
