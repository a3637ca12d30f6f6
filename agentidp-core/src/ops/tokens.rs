//! Issuing tokens.

use std::sync::Arc;

use serde_json::json;

use crate::audit::log_origin;
use crate::base::{EventId, Jti, Month, OrgId, Timestamp};
use crate::crypto::Alg;
use crate::model::{
    ActingAgent, Client, Grant, ProvenBy, Refusal, ScopeSet, TokenRequest, TokenResponse, decide,
};
use crate::oidc::{AccessTokenClaims, IdTokenClaims, SingleUse, at_hash, bound_to};
use crate::store::credentials::{self, Basis};
use crate::store::{Scope, StoreError, Tx, audit, usage};

use super::context::Context;
use super::error::{Fault, Refused, TokenError};
use super::journal::{Event, journal};
use super::proof::{Presented, use_once};
use super::quota;
use super::refusals::Telling;
use super::signing::TokenKey;
use super::{clients, dpop, exchange, keys};

/// The type of the event.
pub(super) const ISSUED: &str = "token.issued";
/// The type of a token that was issued in exchange for another (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Decisions made on rows that changed before they were written, before giving up.
const ATTEMPTS_MAX: u32 = 5;

/// Answers a token request (RFC 6749 section 4.4, RFC 8693 section 2).
pub(crate) fn issue(
    context: &Context,
    request: &TokenRequest,
) -> Result<TokenResponse, TokenError> {
    let presented = Presented::read(&request.auth);
    let id = presented.client();
    let cached = id.as_ref().and_then(|id| context.clients.cached(id));
    let mut fresh = cached.is_none();
    let mut counted = false;
    let mut client = match cached {
        Some(client) => Some(client),
        None => clients::read(context, id.as_ref())?,
    };
    for _ in 0..ATTEMPTS_MAX {
        let now = context.now();
        let decided = decided(context, client.as_deref(), &presented, request, now)?;
        // A stranger takes nothing of what an organization may send, and a client pays before the work.
        let known =
            decided.as_ref().map_or_else(|(refusal, _)| refusal.is_authenticated(), |_| true);
        if let Some(client) = client.as_deref().filter(|_| known && !counted) {
            context.count(&client.organization_id, client.terms.per_minute_max)?;
            counted = true;
        }
        match (decided, &client) {
            (Ok(decided), Some(client)) => match grant_token(context, client, &decided, now)? {
                Recorded::Yes(response) => return Ok(response),
                Recorded::Not(refusal) => {
                    return Err(refuse(context, Some(client), refusal, &[], now)?);
                }
                Recorded::Stale => {
                    context.clients.forget(&client.agent_id);
                    context.reload_signing()?;
                }
            },
            // What the cache says no to may have been allowed since.
            (Err(_), _) if !fresh => {}
            (Err((refusal, uses)), _) => {
                return Err(refuse(context, client.as_deref(), refusal, &uses, now)?);
            }
            (Ok(_), None) => break,
        }
        client = clients::read(context, id.as_ref())?;
        fresh = true;
    }
    Err(TokenError::Fault(Fault::Contended))
}

/// What is to be granted, and what its recording records besides.
struct Decided {
    grant: Grant,
    /// The thumbprint of the key that the token is bound to.
    jkt: Option<String>,
    uses: Vec<SingleUse>,
}

/// Decides who asks, and what it gets. What a client that proved itself used is used also where it is
/// refused.
fn decided(
    context: &Context,
    client: Option<&Client>,
    presented: &Presented<'_>,
    request: &TokenRequest,
    now: Timestamp,
) -> Result<Result<Decided, (Refusal, Vec<SingleUse>)>, Fault> {
    let proven = match (presented.prove(context, client, now), client) {
        (Ok(proven), Some(client)) => (proven, client),
        (Ok(_), None) => return Ok(Err((Refusal::UnknownClient, Vec::new()))),
        (Err(refusal), _) => return Ok(Err((refusal, Vec::new()))),
    };
    let (proven, client) = proven;
    let mut uses: Vec<SingleUse> = proven.assertion.into_iter().collect();
    let key = request.dpop.as_ref().map(|proof| dpop::prove_for_token(context, proof, now));
    let key = match key.transpose() {
        Ok(key) => key,
        Err(refusal) => return Ok(Err((refusal, uses))),
    };
    let exchange = request.exchange.as_ref();
    let exchange = exchange.map(|exchange| exchange::read(context, client, exchange, now));
    let exchange = match exchange.transpose()?.transpose() {
        Ok(exchange) => exchange,
        Err(refusal) => return Ok(Err((refusal, uses))),
    };
    Ok(match decide(client, proven.by, request, exchange.as_ref(), &context.issuer) {
        Ok(grant) => {
            let jkt = key.map(|key| {
                uses.push(key.single_use);
                key.jkt
            });
            Ok(Decided { grant, jkt, uses })
        }
        Err(refusal) => Err((refusal, uses)),
    })
}

/// What became of a token that was signed.
enum Recorded {
    /// It is issued.
    Yes(TokenResponse),
    /// It is refused after all.
    Not(Refusal),
    /// What it was decided on no longer stands.
    Stale,
}

/// Signs and records a token.
fn grant_token(
    context: &Context,
    client: &Arc<Client>,
    decided: &Decided,
    now: Timestamp,
) -> Result<Recorded, TokenError> {
    let grant = &decided.grant;
    let alg = client.token_alg.unwrap_or(context.token_alg);
    let signing = keys::signing_at(context, alg, now)?;
    let place = quota::take(context, client, now)?;
    let jti = Jti::generate_at(issued_at(client, grant, now), &*context.rng)?;
    let key = signing.token(alg)?;
    let response = sign(context, key, client, decided, &jti, now)?;
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
    let to_count = place.is_none().then_some((Month::of(now), client.terms.per_month_max));
    let (uses, handed_in) = (decided.uses.clone(), handed_in(client, grant));
    let recording = Recording { event_id, entry, basis, delivery, to_count, uses, handed_in, now };
    let scope = Scope::Org(client.organization_id.clone());
    let recorded = context.store.write_owned("issue token", &scope, move |tx| recording.write(tx));
    // A token that may have been recorded has its place for good.
    if let (Ok(()) | Err(NotRecorded::Store(StoreError::OutcomeUnknown(_))), Some(place)) =
        (&recorded, place)
    {
        place.keep();
    }
    match recorded {
        Ok(()) => Ok(Recorded::Yes(response)),
        Err(NotRecorded::Stale) => Ok(Recorded::Stale),
        Err(NotRecorded::Used) if decided.jkt.is_some() && decided.uses.len() == 1 => {
            Ok(Recorded::Not(Refusal::UsedDpopProof))
        }
        Err(NotRecorded::Used) => Ok(Recorded::Not(Refusal::UsedAssertion)),
        Err(NotRecorded::QuotaExceeded) => Err(quota::refused(context, client, now)?),
        Err(NotRecorded::Store(error)) => Err(error.into()),
        Err(NotRecorded::Fault(error)) => Err(error.into()),
    }
}

/// All that the issuing of a token writes.
struct Recording {
    event_id: EventId,
    entry: String,
    basis: Basis,
    delivery: Option<String>,
    to_count: Option<(Month, i64)>,
    uses: Vec<SingleUse>,
    handed_in: Option<ActingAgent>,
    now: Timestamp,
}

impl Recording {
    fn write(&self, tx: &mut dyn Tx) -> Result<(), NotRecorded> {
        for used in &self.uses {
            if !use_once(tx, Some(used))? {
                return Err(NotRecorded::Used);
            }
        }
        if let Some(subject) = &self.handed_in
            && !exchange::stands(tx, subject)?
        {
            return Err(NotRecorded::Stale);
        }
        if !credentials::issue_token(tx, &self.event_id, &self.entry, &self.basis)? {
            return Err(NotRecorded::Stale);
        }
        if let Some((month, limit)) = self.to_count
            && !usage::add(tx, month, 1, limit)?
        {
            return Err(NotRecorded::QuotaExceeded);
        }
        if let Some(payload) = &self.delivery {
            audit::enqueue(tx, &self.event_id, ISSUED, payload, self.now.as_micros())?;
        }
        Ok(())
    }
}

/// When the token counts as issued: after all those of the client that were ended, and not before the
/// one that it is issued in exchange for.
fn issued_at(client: &Client, grant: &Grant, now: Timestamp) -> Timestamp {
    let own = client.terms.issued_at(now);
    let other = grant.exchanged.as_ref().and_then(|exchanged| exchanged.subject_jti.time());
    other.map_or(own, |other| own.max(other))
}

/// The bearer of the token that was handed in, which must still stand when another is recorded.
fn handed_in(client: &Client, grant: &Grant) -> Option<ActingAgent> {
    let exchanged = grant.exchanged.as_ref()?;
    Some(ActingAgent {
        agent_id: exchanged.subject.clone(),
        organization_id: client.organization_id.clone(),
        scopes: ScopeSet::default(),
        jti: exchanged.subject_jti.clone(),
        actors: exchanged.actors_before.clone(),
    })
}

/// Why a token that was signed is not issued after all.
enum NotRecorded {
    /// What the grant was decided on no longer stands.
    Stale,
    /// An assertion or a proof was used before.
    Used,
    /// The organization has issued as many tokens this month as it may.
    QuotaExceeded,
    /// The database.
    Store(StoreError),
    /// Something else below.
    Fault(Fault),
}

impl From<Fault> for NotRecorded {
    fn from(fault: Fault) -> NotRecorded {
        match fault {
            Fault::Store(error) => NotRecorded::Store(error),
            fault => NotRecorded::Fault(fault),
        }
    }
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
    let mut event = Event::new(ISSUED)
        .actor(client.agent_id.as_str())
        .target(jti.as_str())
        .with("aud", grant.audience.as_str());
    event = match &grant.proven_by {
        ProvenBy::Credential(id) => event.with("credentialId", id.as_str()),
        ProvenBy::AgentKey(key) => event.with("agentKid", key.as_str()),
    };
    event = event.with("kid", kid);
    if let Some(exchanged) = &grant.exchanged {
        event = event
            .with("onBehalfOf", exchanged.subject.as_str())
            .with("subjectJti", exchanged.subject_jti.as_str());
    }
    match scope {
        Some(scope) => event.with("scope", scope),
        None => event,
    }
}

/// The tokens themselves (RFC 9068; OpenID Connect Core section 2).
fn sign(
    context: &Context,
    key: &TokenKey,
    client: &Client,
    decided: &Decided,
    jti: &Jti,
    now: Timestamp,
) -> Result<TokenResponse, Fault> {
    let grant = &decided.grant;
    let iat = now.as_seconds();
    let scope = (!grant.scopes.is_empty()).then(|| grant.scopes.to_string());
    let exchanged = grant.exchanged.as_ref();
    let subject = exchanged.map_or(&client.agent_id, |exchanged| &exchanged.subject);
    let claims = AccessTokenClaims {
        iss: context.issuer.as_str().to_owned(),
        sub: subject.as_str().to_owned(),
        aud: vec![grant.audience.clone()],
        exp: iat + grant.life_seconds,
        iat,
        nbf: None,
        jti: jti.as_str().to_owned(),
        client_id: client.agent_id.as_str().to_owned(),
        scope: scope.clone(),
        organization_id: client.organization_id.as_str().to_owned(),
        agent_did: Some(exchanged.map_or(&client.did, |exchanged| &exchanged.did).clone()),
        act: exchanged.and_then(|exchanged| exchanged.actors.to_claim()),
        may_act: grant.may_act.as_ref().map(|agent| json!({ "sub": agent })),
        cnf: decided.jkt.as_deref().map(bound_to),
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
        issued_token_type: exchanged.map(|_| ACCESS_TOKEN),
        token_type: if decided.jkt.is_some() { "DPoP" } else { "Bearer" },
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

/// A refusal to be told.
pub(super) struct Refusing<'a> {
    pub(super) event_type: &'static str,
    pub(super) client: Option<&'a Client>,
    pub(super) refusal: Refusal,
    /// What is used up all the same.
    pub(super) uses: &'a [SingleUse],
}

fn refuse(
    context: &Context,
    client: Option<&Client>,
    refusal: Refusal,
    uses: &[SingleUse],
    now: Timestamp,
) -> Result<TokenError, Fault> {
    note_refusal(context, &Refusing { event_type: ISSUED, client, refusal, uses }, now)?;
    Ok(TokenError::Refused(Refused::new(refusal)))
}

/// Tells the log of a refusal: that of the client's organization, or the system's for strangers.
pub(super) fn note_refusal(
    context: &Context,
    refusing: &Refusing<'_>,
    now: Timestamp,
) -> Result<(), Fault> {
    let Refusing { event_type, client, refusal, uses } = *refusing;
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
    context.store.write("refuse", &Scope::Org(organization.clone()), |tx| {
        for used in uses {
            use_once(tx, Some(used))?;
        }
        journal(context, tx, organization, &event).map(|_| ())
    })
}
