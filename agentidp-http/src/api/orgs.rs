//! Organizations.

use agentidp_core::{NewOrg, Org, OrgChanges, OrgError, OrgHandle, PlanTier};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::app::App;
use crate::openapi::schemas;

use super::body::{given, removable};
use super::call::{Call, Work};
use super::params::{DoneOnce, Id, IfMatch, IfNoneMatch, PageOf};
use super::precondition::if_match;
use super::reply::Reply;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(show, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(activate))
        .routes(routes!(usage))
}

/// A plan.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plan {
    /// 10 agents, 10,000 tokens a month, 60 requests a minute.
    Free,
    /// 100 agents, 1,000,000 tokens a month, 600 requests a minute.
    Pro,
    /// 100,000 agents, 1,000,000,000 tokens a month, 60,000 requests a minute.
    Enterprise,
}

impl From<Plan> for PlanTier {
    fn from(plan: Plan) -> PlanTier {
        match plan {
            Plan::Free => PlanTier::Free,
            Plan::Pro => PlanTier::Pro,
            Plan::Enterprise => PlanTier::Enterprise,
        }
    }
}

/// An organization to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrgToMake {
    /// Its name in URLs and command lines, for ever.
    #[schema(
        pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        min_length = 1,
        max_length = 63,
        example = "acme"
    )]
    slug: String,
    /// Its name for people; the slug unless given.
    #[schema(
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    name: Option<String>,
    /// What it pays for, and so its limits where none are given; `free` unless given.
    plan_tier: Option<Plan>,
    /// Most agents it may have.
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    max_agents: Option<i64>,
    /// Most tokens it may be issued in a calendar month (UTC).
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    max_tokens_per_month: Option<i64>,
    /// Most requests it may make in a minute.
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    rate_limit_per_minute: Option<i64>,
}

impl From<OrgToMake> for NewOrg {
    fn from(body: OrgToMake) -> NewOrg {
        let mut new = NewOrg::new(body.slug);
        if let Some(name) = body.name {
            new = new.name(name);
        }
        if let Some(plan) = body.plan_tier {
            new = new.plan(plan.into());
        }
        if let Some(agents) = body.max_agents {
            new = new.max_agents(agents);
        }
        if let Some(tokens) = body.max_tokens_per_month {
            new = new.max_tokens_per_month(tokens);
        }
        if let Some(requests) = body.rate_limit_per_minute {
            new = new.rate_limit_per_minute(requests);
        }
        new
    }
}

/// Changes of an organization (RFC 7396): what is absent stays, what is `null` is removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrgPatch {
    /// Its name for people.
    #[serde(default, deserialize_with = "given")]
    #[schema(
        nullable = false,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    name: Option<String>,
    /// Most seconds that a token of it lives.
    #[serde(default, deserialize_with = "removable")]
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 3600)]
    token_life_seconds_max: Option<Option<i64>>,
    /// What it pays for. Its limits stay as they are.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Plan)]
    plan_tier: Option<Plan>,
    /// Most agents it may have.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, minimum = 0, maximum = 9007199254740991_i64)]
    max_agents: Option<i64>,
    /// Most tokens it may be issued in a calendar month (UTC).
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, minimum = 0, maximum = 9007199254740991_i64)]
    max_tokens_per_month: Option<i64>,
    /// Most requests it may make in a minute.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, minimum = 0, maximum = 9007199254740991_i64)]
    rate_limit_per_minute: Option<i64>,
}

impl From<OrgPatch> for OrgChanges {
    fn from(body: OrgPatch) -> OrgChanges {
        let mut changes = OrgChanges::default();
        if let Some(name) = body.name {
            changes = changes.name(name);
        }
        if let Some(seconds) = body.token_life_seconds_max {
            changes = changes.token_life_seconds_max(seconds);
        }
        if let Some(plan) = body.plan_tier {
            changes = changes.plan(plan.into());
        }
        if let Some(agents) = body.max_agents {
            changes = changes.max_agents(agents);
        }
        if let Some(tokens) = body.max_tokens_per_month {
            changes = changes.max_tokens_per_month(tokens);
        }
        if let Some(requests) = body.rate_limit_per_minute {
            changes = changes.rate_limit_per_minute(requests);
        }
        changes
    }
}

/// Make an organization
///
/// Needs `admin:orgs`, which agents of the `system` organization alone may have.
#[utoipa::path(
    post,
    path = "/organizations",
    operation_id = "createOrganization",
    tag = "organizations",
    params(DoneOnce),
    request_body = OrgToMake,
    responses((status = 201, description = "It is made.", body = schemas::Organization, headers(
        ("Location" = String, description = "Where it is found."),
        ("ETag" = String, description = "Its version."),
    ))),
    security(("oauth2" = ["admin:orgs"]), ("bearer" = []))
)]
async fn create(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let org = work.idp.create_org(work.body::<OrgToMake>()?.into())?;
        let url = work.url(&format!("/organizations/{}", org.id));
        Ok(Reply::created(&org)?.version(org.version()).location(url))
    })
    .await
}

/// List the organizations
///
/// The oldest first; deleted ones are listed too. Needs `admin:orgs`.
#[utoipa::path(
    get,
    path = "/organizations",
    operation_id = "listOrganizations",
    tag = "organizations",
    params(PageOf),
    responses((status = 200, description = "A page of them.", body = schemas::OrganizationPage)),
    security(("oauth2" = ["admin:orgs"]), ("bearer" = []))
)]
async fn list(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| Reply::ok(&work.idp.list_orgs(&work.page()?)?)).await
}

/// Show an organization
///
/// One's own, with any token of it; any other with `admin:orgs`.
#[utoipa::path(
    get,
    path = "/organizations/{id}",
    operation_id = "showOrganization",
    tag = "organizations",
    params(Id, IfNoneMatch),
    responses(
        (status = 200, description = "The organization.", body = schemas::Organization,
            headers(("ETag" = String, description = "Its version."))),
        (status = 304, description = "The client has it already."),
    ),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn show(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        work.query(&[])?;
        let org = work.named_org()?.get()?;
        told(&org)?.unless_known(work.headers())
    })
    .await
}

/// Change an organization
///
/// A merge patch (RFC 7396). Owners and admins of the organization change its name and its limit on the
/// life of tokens; its plan and its other limits need `admin:orgs`.
#[utoipa::path(
    patch,
    path = "/organizations/{id}",
    operation_id = "updateOrganization",
    tag = "organizations",
    params(Id, IfMatch, DoneOnce),
    request_body(content((OrgPatch = "application/merge-patch+json"), (OrgPatch = "application/json"))),
    responses((status = 200, description = "As it is now.", body = schemas::Organization,
        headers(("ETag" = String, description = "Its version.")))),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn update(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let changes = OrgChanges::from(work.patch::<OrgPatch>()?);
        let org = work.named_org()?;
        let changed = if_match(work.headers(), |version| {
            let changes = changes.clone();
            org.update(match version {
                Some(version) => changes.expected_version(version),
                None => changes,
            })
        })?;
        told(&changed)
    })
    .await
}

/// Delete an organization, for good
///
/// Its tokens are void and its secrets destroyed; its trail stays. Needs `admin:orgs`.
#[utoipa::path(
    delete,
    path = "/organizations/{id}",
    operation_id = "deleteOrganization",
    tag = "organizations",
    params(Id, DoneOnce),
    responses((status = 204, description = "It is deleted.")),
    security(("oauth2" = ["admin:orgs"]), ("bearer" = []))
)]
async fn delete(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        work.query(&[])?;
        work.named_org()?.delete()?;
        Ok(Reply::done())
    })
    .await
}

/// Suspend an organization
///
/// Its tokens are void and none are issued, until it is activated again. Needs `admin:orgs`.
#[utoipa::path(
    post,
    path = "/organizations/{id}/suspend",
    operation_id = "suspendOrganization",
    tag = "organizations",
    params(Id, DoneOnce),
    responses((status = 200, description = "As it is now.", body = schemas::Organization,
        headers(("ETag" = String, description = "Its version.")))),
    security(("oauth2" = ["admin:orgs"]), ("bearer" = []))
)]
async fn suspend(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| turn(work, OrgHandle::suspend)).await
}

/// Activate an organization again
///
/// Tokens that were issued before it was suspended stay void. Needs `admin:orgs`.
#[utoipa::path(
    post,
    path = "/organizations/{id}/activate",
    operation_id = "activateOrganization",
    tag = "organizations",
    params(Id, DoneOnce),
    responses((status = 200, description = "As it is now.", body = schemas::Organization,
        headers(("ETag" = String, description = "Its version.")))),
    security(("oauth2" = ["admin:orgs"]), ("bearer" = []))
)]
async fn activate(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| turn(work, OrgHandle::activate)).await
}

/// Tell how much of its month's quota of tokens an organization has used
///
/// One's own, with any token of it; any other with `admin:orgs`.
#[utoipa::path(
    get,
    path = "/organizations/{id}/usage",
    operation_id = "showUsage",
    tag = "organizations",
    params(Id),
    responses((status = 200, description = "This month's use.", body = schemas::Usage)),
    security(("oauth2" = []), ("bearer" = []))
)]
async fn usage(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        work.query(&[])?;
        Reply::ok(&work.named_org()?.usage()?)
    })
    .await
}

fn turn(
    work: &Work,
    verb: impl FnOnce(&OrgHandle) -> Result<Org, OrgError>,
) -> Result<Reply, Problem> {
    work.query(&[])?;
    told(&verb(&work.named_org()?)?)
}

fn told(org: &Org) -> Result<Reply, Problem> {
    Ok(Reply::ok(org)?.version(org.version()))
}
