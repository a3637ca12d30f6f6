//! A token that is signed, and what is recorded before it is anybody's.

use serde_json::json;

use crate::audit::log_origin;
use crate::base::{Drawn, EventId, ID_RANDOM_BYTES, Jti, Month, Timestamp};
use crate::crypto::Alg;
use crate::model::{ActingAgent, Client, Grant, ProvenBy, Refusal, ScopeSet, TokenResponse};
use crate::oidc::{AccessClaims, IdTokenClaims, SingleUse, at_hash, bound_to};
use crate::store::credentials::{self, Basis};
use crate::store::{Scope, StoreError, Tx, audit};

use super::context::Context;
use super::error::{Fault, TokenError};
use super::exchange;
use super::journal::Event;
use super::proof::use_once;
use super::quota::Place;
use super::signing::{SigningKeys, TokenKey};
use super::tokens::ISSUED;

/// The type of a token that was issued in exchange for another (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What is to be granted, and what its recording records besides.
pub(super) struct Decided {
    pub(super) grant: Grant,
    /// The thumbprint of the key that the token is bound to.
    pub(super) jkt: Option<String>,
    pub(super) uses: Uses,
}

/// What a request uses up.
#[derive(Clone, Default)]
pub(super) struct Uses {
    pub(super) assertion: Option<SingleUse>,
    pub(super) proof: Option<SingleUse>,
}

impl Uses {
    pub(super) fn iter(&self) -> impl Iterator<Item = &SingleUse> {
        self.assertion.iter().chain(&self.proof)
    }
}

/// A token that is signed, and what has to be recorded before it is handed out.
pub(super) struct Signed {
    pub(super) response: TokenResponse,
    pub(super) recording: Recording,
    pub(super) scope: Scope,
}

/// Signs a token. `place` is that in the month's quota, unless its recording is to count it.
pub(super) fn prepare(
    context: &Context,
    signing: &SigningKeys,
    client: &Client,
    decided: &Decided,
    place: Option<&Place>,
    now: Timestamp,
) -> Result<Signed, TokenError> {
    let grant = &decided.grant;
    let key = signing.token(context.token_alg_of(client))?;
    let random = Drawn::<{ 2 * ID_RANDOM_BYTES }>::of(&*context.rng)?;
    let jti = Jti::generate_at(issued_at(client, grant, now), &random)?;
    let response = sign(context, key, client, decided, &jti, now)?;
    let event_id = EventId::generate(&*context.clock, &random)?;
    let kid = key.access_token.kid();
    let event = issued(client, grant, &jti, kid, response.scope.as_deref());
    let log = log_origin(&context.issuer, &client.organization_id);
    let entry = event.entry(&log, &event_id, now).to_bytes()?;
    let basis = Basis {
        org_version: client.org_version,
        agent_id: client.agent_id.clone(),
        agent_version: client.agent_version,
        kid: kid.to_owned(),
        client_last_seen: client.last_seen.clone(),
        key_last_seen: key.last_seen.clone(),
    };
    let delivery = client
        .token_issued_subscribed
        .then(|| event.payload(&client.organization_id, now))
        .transpose()?;
    let to_count = place.is_none().then_some((Month::of(now), client.terms.per_month_max));
    let (uses, handed_in) = (decided.uses.clone(), handed_in(client, grant));
    let recording = Recording { event_id, entry, basis, delivery, to_count, uses, handed_in, now };
    Ok(Signed { response, recording, scope: Scope::Org(client.organization_id.clone()) })
}

/// All that the issuing of a token writes.
pub(super) struct Recording {
    event_id: EventId,
    entry: String,
    basis: Basis,
    delivery: Option<String>,
    to_count: Option<(Month, i64)>,
    uses: Uses,
    handed_in: Option<ActingAgent>,
    now: Timestamp,
}

impl Recording {
    pub(super) fn write(&self, tx: &mut dyn Tx) -> Result<(), NotRecorded> {
        if !use_once(tx, self.uses.assertion.as_ref())? {
            return Err(NotRecorded::Used(Refusal::UsedAssertion));
        }
        if !use_once(tx, self.uses.proof.as_ref())? {
            return Err(NotRecorded::Used(Refusal::UsedDpopProof));
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
            && !tx.count_tokens(month, 1, limit)?
        {
            return Err(NotRecorded::QuotaExceeded);
        }
        if let Some(payload) = &self.delivery {
            audit::enqueue(tx, &self.event_id, ISSUED, payload, self.now.as_micros())?;
        }
        Ok(())
    }
}

/// Why a token that was signed is not issued after all.
pub(super) enum NotRecorded {
    /// What the grant was decided on no longer stands.
    Stale,
    /// An assertion or a proof was used before.
    Used(Refusal),
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
    let act = exchanged.and_then(|exchanged| exchanged.actors.to_claim());
    let may_act = grant.may_act.as_ref().map(|agent| json!({ "sub": agent }));
    let cnf = decided.jkt.as_deref().map(bound_to);
    let claims = AccessClaims {
        iss: context.issuer.as_str(),
        sub: subject.as_str(),
        aud: std::slice::from_ref(&grant.audience),
        exp: iat + grant.life_seconds,
        iat,
        nbf: None,
        jti: jti.as_str(),
        client_id: client.agent_id.as_str(),
        scope: scope.as_deref(),
        organization_id: client.organization_id.as_str(),
        agent_did: Some(exchanged.map_or(&*client.did, |exchanged| &*exchanged.did)),
        act: act.as_ref(),
        may_act: may_act.as_ref(),
        cnf: cnf.as_ref(),
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
    access: &AccessClaims<'_>,
    client: &Client,
    alg: Alg,
    access_token: &str,
) -> IdTokenClaims {
    IdTokenClaims {
        iss: access.iss.to_owned(),
        sub: access.sub.to_owned(),
        aud: vec![access.client_id.to_owned()],
        exp: access.exp,
        iat: access.iat,
        at_hash: Some(at_hash(alg, access_token)),
        organization_id: access.organization_id.to_owned(),
        agent_did: client.did.clone(),
        agent_name: client.name.clone(),
    }
}
