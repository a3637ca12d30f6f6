//! Credentials of agents. A secret is in the answer that issues it, and in no other but that to the same
//! request under the same `Idempotency-Key`.

use std::time::Duration;

use agentidp_core::{Credential, CredentialError, IssuedCredential, NewCredential, RevokeTokens};
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::app::App;
use crate::openapi::schemas;

use super::agent_keys::KeyRotation;
use super::call::{Call, Work};
use super::params::{Cid, DoneOnce, Id, PageOf};
use super::query::refused;
use super::reply::Reply;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(issue, list))
        .routes(routes!(show, revoke))
        .routes(routes!(rotate))
}

/// A credential to be issued.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialToIssue {
    /// In how many seconds it expires; never unless given.
    #[schema(minimum = 1, maximum = 3155760000_i64)]
    expires_in_seconds: Option<u64>,
    /// A public key in the place of a secret, a JWK or PEM as text.
    #[schema(max_length = 16384)]
    public_key: Option<String>,
}

/// Longest life that a credential may be asked for, in seconds: a hundred years.
const EXPIRES_IN_SECONDS_MAX: u64 = 3_155_760_000;

impl CredentialToIssue {
    fn life(&self) -> Result<Option<Duration>, Problem> {
        match self.expires_in_seconds {
            Some(seconds) if !(1..=EXPIRES_IN_SECONDS_MAX).contains(&seconds) => {
                Err(refused("expiresInSeconds: 1 to 3155760000 are expected"))
            }
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }
}

/// What becomes of tokens.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "the document is written from the fields, and requests are read by hand"
)]
struct Tokens {
    /// Whether all tokens of the agent end, too; needs `tokens:revoke` besides.
    #[param(rename = "revokeTokens")]
    revoke_tokens: Option<bool>,
}

/// Issue a credential of an agent
///
/// A client secret, which is told this once; or a public key that the agent proves itself by
/// (`private_key_jwt`).
#[utoipa::path(
    post,
    path = "/agents/{id}/credentials",
    operation_id = "issueCredential",
    tag = "credentials",
    params(Id, DoneOnce),
    request_body = Option<CredentialToIssue>,
    responses((status = 201, description = "It is issued.", body = schemas::IssuedCredential,
        headers(("Location" = String, description = "Where it is found.")))),
    security(("oauth2" = ["credentials:write"]), ("bearer" = []))
)]
async fn issue(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let body: CredentialToIssue = work.body_or_default()?;
        let (org, agent, life) = (work.own(), work.agent_id("id")?, body.life()?);
        if let Some(key) = &body.public_key {
            let mut new = NewCredential::public_key(key);
            if let Some(life) = life {
                new = new.expires_in(life);
            }
            let credential = org.add_public_key(&agent, new)?;
            let url = url(work, &credential);
            return Ok(Reply::created(&credential)?.location(url));
        }
        let mut new = NewCredential::default();
        if let Some(life) = life {
            new = new.expires_in(life);
        }
        told_once(work, &org.issue_credential(&agent, new)?)
    })
    .await
}

/// List the credentials of an agent
///
/// The oldest first, without their secrets.
#[utoipa::path(
    get,
    path = "/agents/{id}/credentials",
    operation_id = "listCredentials",
    tag = "credentials",
    params(Id, PageOf),
    responses((status = 200, description = "A page of them.", body = schemas::CredentialPage)),
    security(("oauth2" = ["credentials:read"]), ("bearer" = []))
)]
async fn list(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        Reply::ok(&work.own().list_credentials(&work.agent_id("id")?, &work.page()?)?)
    })
    .await
}

/// Show a credential of an agent
///
/// Without its secret.
#[utoipa::path(
    get,
    path = "/agents/{id}/credentials/{cid}",
    operation_id = "showCredential",
    tag = "credentials",
    params(Id, Cid),
    responses((status = 200, description = "The credential.", body = schemas::Credential)),
    security(("oauth2" = ["credentials:read"]), ("bearer" = []))
)]
async fn show(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run(app, |work| {
        work.query(&[])?;
        let credential = work.own().credential(&work.credential_id()?)?;
        // That of another agent is none of this one's.
        if credential.client_id != work.agent_id("id")? {
            return Err(CredentialError::NotFound.into());
        }
        Reply::ok(&credential)
    })
    .await
}

/// Issue a secret in the place of another
///
/// The old one still works for the time given. The new one lives as long as the old one was made to.
#[utoipa::path(
    post,
    path = "/agents/{id}/credentials/{cid}/rotate",
    operation_id = "rotateCredential",
    tag = "credentials",
    params(Id, Cid, DoneOnce),
    request_body = Option<KeyRotation>,
    responses((status = 201, description = "The new one.", body = schemas::IssuedCredential,
        headers(("Location" = String, description = "Where it is found.")))),
    security(("oauth2" = ["credentials:write"]), ("bearer" = []))
)]
async fn rotate(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let overlap = work.body_or_default::<KeyRotation>()?.overlap();
        let (org, id) = (work.own(), work.credential_id()?);
        org.check_credential(&work.agent_id("id")?, &id)?;
        told_once(work, &org.rotate_credential(&id, overlap)?)
    })
    .await
}

/// Revoke a credential
///
/// It proves nothing any more.
#[utoipa::path(
    delete,
    path = "/agents/{id}/credentials/{cid}",
    operation_id = "revokeCredential",
    tag = "credentials",
    params(Id, Cid, Tokens, DoneOnce),
    responses((status = 204, description = "It is revoked.")),
    security(("oauth2" = ["credentials:write"]), ("bearer" = []))
)]
async fn revoke(State(app): State<App>, call: Call) -> Result<Reply, Problem> {
    call.run_once(app, |work| {
        let ends = work.query(&["revokeTokens"])?.flag("revokeTokens")?;
        let (org, id) = (work.own(), work.credential_id()?);
        org.check_credential(&work.agent_id("id")?, &id)?;
        org.revoke_credential(&id, if ends { RevokeTokens::Yes } else { RevokeTokens::No })?;
        Ok(Reply::done())
    })
    .await
}

/// A credential with its secret.
fn told_once(work: &Work, issued: &IssuedCredential) -> Result<Reply, Problem> {
    let credential = issued.credential();
    let mut document = serde_json::to_value(credential).unwrap_or_default();
    if let Some(members) = document.as_object_mut() {
        members.insert("clientSecret".to_owned(), Value::from(issued.secret()));
    }
    Ok(Reply::created(&document)?.location(url(work, credential)))
}

fn url(work: &Work, credential: &Credential) -> String {
    work.url(&format!("/agents/{}/credentials/{}", credential.client_id, credential.id))
}
