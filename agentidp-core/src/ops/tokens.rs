//! Issuing tokens.

use std::sync::Arc;

use crate::audit::log_origin;
use crate::base::{AgentId, Jti, Month, OrgId, Timestamp};
use crate::crypto::Alg;
use crate::model::{Client, Grant, Refusal, TokenRequest, TokenResponse, decide};
use crate::oidc::{AccessTokenClaims, IdTokenClaims, at_hash};
use crate::store::credentials::{self, Basis};
use crate::store::{Scope, StoreError, audit, usage};

use super::clients;
use super::context::Context;
use super::error::{Fault, Refused, TokenError};
use super::journal::{Event, refuse};
use super::keys;
use super::quota;
use super::refusals::Telling;
use super::signing::SigningKeys;

/// The type of the event.
pub(super) const ISSUED: &str = "token.issued";

/// Decisions made on rows that changed before they were written, before giving up.
const ATTEMPTS_MAX: u32 = 5;

/// Answers a token request (RFC 6749 section 4.4).
pub(crate) fn issue(
    context: &Context,
    request: &TokenRequest,
) -> Result<TokenResponse, TokenError> {
    let id = AgentId::parse(&request.client_id).ok();
    let cached = id.as_ref().and_then(|id| context.clients.cached(id));
    let mut fresh = cached.is_none();
    let mut counted = false;
    let mut client = match cached {
        Some(client) => Some(client),
        None => clients::read(context, id.as_ref())?,
    };
    for _ in 0..ATTEMPTS_MAX {
        let peppers = |version| context.keyring.pepper(version);
        let now = context.now();
        let decided = decide(client.as_deref(), &peppers, request, &context.issuer, now);
        // A stranger takes nothing of what an organization may send, and a client pays before the work.
        let known = decided.as_ref().map_or_else(|refusal| refusal.is_authenticated(), |_| true);
        if let Some(client) = client.as_deref().filter(|_| known && !counted) {
            context.count(&client.organization_id, client.terms.per_minute_max)?;
            counted = true;
        }
        match (decided, &client) {
            (Ok(grant), Some(client)) => {
                if let Some(response) = grant_token(context, client, &grant, now)? {
                    return Ok(response);
                }
                context.clients.forget(&client.agent_id);
                context.reload_signing()?;
            }
            // What the cache says no to may have been allowed since.
            (Err(_), _) if !fresh => {}
            (Err(refusal), _) => {
                note_refusal(context, ISSUED, client.as_deref(), refusal, now)?;
                return Err(TokenError::Refused(Refused::new(refusal)));
            }
            (Ok(_), None) => break,
        }
        client = clients::read(context, id.as_ref())?;
        fresh = true;
    }
    Err(TokenError::Fault(Fault::Contended))
}

/// Signs and records a token. `None` when what the grant was decided on no longer stands.
fn grant_token(
    context: &Context,
    client: &Arc<Client>,
    grant: &Grant,
    now: Timestamp,
) -> Result<Option<TokenResponse>, TokenError> {
    let signing = keys::signing_at(context, now)?;
    let place = quota::take(context, client, now)?;
    let jti = Jti::generate_at(client.terms.issued_at(now), &*context.rng)?;
    let alg = context.token_alg;
    let response = sign(context, &signing, client, grant, &jti, now)?;
    let key = signing.token(alg)?;
    let event_id = context.event_id()?;
    let kid = key.access_token.kid();
    let event = issued(client, grant, &jti, kid, response.scope.as_deref());
    let log = log_origin(&context.issuer, &client.organization_id);
    let entry = event.entry(&log, &event_id, now).to_bytes()?;
    let basis = Basis {
        org_version: client.org_version,
        agent_id: client.agent_id.clone(),
        agent_version: client.agent_version,
        kid: kid.to_owned(),
    };
    let delivery = client
        .token_issued_subscribed
        .then(|| event.payload(&client.organization_id, now))
        .transpose()?;
    let scope = Scope::Org(client.organization_id.clone());
    let to_count = place.is_none().then_some((Month::of(now), client.terms.per_month_max));
    let recorded = context.store.write_owned("issue token", &scope, move |tx| {
        if !credentials::issue_token(tx, &event_id, &entry, &basis)? {
            return Err(NotRecorded::Stale);
        }
        if let Some((month, limit)) = to_count
            && !usage::add(tx, month, 1, limit)?
        {
            return Err(NotRecorded::QuotaExceeded);
        }
        if let Some(payload) = &delivery {
            audit::enqueue(tx, &event_id, ISSUED, payload, now.as_micros())?;
        }
        Ok(())
    });
    // A token that may have been recorded has its place for good.
    if let (Ok(()) | Err(NotRecorded::Store(StoreError::OutcomeUnknown(_))), Some(place)) =
        (&recorded, place)
    {
        place.keep();
    }
    match recorded {
        Ok(()) => Ok(Some(response)),
        Err(NotRecorded::Stale) => Ok(None),
        Err(NotRecorded::QuotaExceeded) => Err(quota::refused(context, client, now)?),
        Err(NotRecorded::Store(error)) => Err(error.into()),
    }
}

/// Why a token that was signed is not issued after all.
enum NotRecorded {
    /// What the grant was decided on no longer stands.
    Stale,
    /// The organization has issued as many tokens this month as it may.
    QuotaExceeded,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for NotRecorded {
    fn from(error: StoreError) -> NotRecorded {
        NotRecorded::Store(error)
    }
}

fn issued<'a>(
    client: &'a Client,
    grant: &'a Grant,
    jti: &'a Jti,
    kid: &'a str,
    scope: Option<&'a str>,
) -> Event<'a> {
    let event = Event::new(ISSUED)
        .actor(client.agent_id.as_str())
        .target(jti.as_str())
        .with("aud", grant.audience.as_str())
        .with("credentialId", grant.credential_id.as_str())
        .with("kid", kid);
    match scope {
        Some(scope) => event.with("scope", scope),
        None => event,
    }
}

/// The tokens themselves (RFC 9068; OpenID Connect Core section 2).
fn sign(
    context: &Context,
    signing: &SigningKeys,
    client: &Client,
    grant: &Grant,
    jti: &Jti,
    now: Timestamp,
) -> Result<TokenResponse, Fault> {
    let key = signing.token(context.token_alg)?;
    let iat = now.as_seconds();
    let scope = (!grant.scopes.is_empty()).then(|| grant.scopes.to_string());
    let claims = AccessTokenClaims {
        iss: context.issuer.as_str().to_owned(),
        sub: client.agent_id.as_str().to_owned(),
        aud: vec![grant.audience.clone()],
        exp: iat + grant.life_seconds,
        iat,
        nbf: None,
        jti: jti.as_str().to_owned(),
        client_id: client.agent_id.as_str().to_owned(),
        scope: scope.clone(),
        organization_id: client.organization_id.as_str().to_owned(),
        agent_did: Some(client.did.clone()),
        act: None,
        cnf: None,
    };
    let access_token = key.access_token.sign(&claims.to_payload())?;
    let id_token = if grant.id_token {
        let claims = id_token_claims(&claims, client, key.id_token.alg(), &access_token);
        Some(key.id_token.sign(&claims.to_payload())?)
    } else {
        None
    };
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: grant.life_seconds,
        scope,
        id_token,
    })
}

fn id_token_claims(
    access: &AccessTokenClaims,
    client: &Client,
    alg: Alg,
    access_token: &str,
) -> IdTokenClaims {
    IdTokenClaims {
        iss: access.iss.clone(),
        sub: access.sub.clone(),
        aud: vec![access.client_id.clone()],
        exp: access.exp,
        iat: access.iat,
        at_hash: Some(at_hash(alg, access_token)),
        organization_id: access.organization_id.clone(),
        agent_did: client.did.clone(),
        agent_name: client.name.clone(),
    }
}

/// Tells the log of a refusal: that of the client's organization, or the system's for strangers.
pub(super) fn note_refusal(
    context: &Context,
    event_type: &'static str,
    client: Option<&Client>,
    refusal: Refusal,
    now: Timestamp,
) -> Result<(), Fault> {
    let system = OrgId::system();
    let organization = client.map_or(&system, |client| &client.organization_id);
    let mut passed_over = 0;
    if !refusal.is_authenticated() {
        match context.refusals.note(now) {
            Telling::Tell { passed_over: others } => passed_over = others,
            Telling::PassOver => return Ok(()),
        }
    }
    let mut event = Event::refused(event_type, refusal.as_str());
    if let Some(client) = client {
        event = event.actor(client.agent_id.as_str());
    }
    if passed_over > 0 {
        event = event.with("passedOver", passed_over);
    }
    refuse(context, organization, &event)
}
