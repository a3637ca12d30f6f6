//! Tokens that are handed in for another (RFC 8693), read with all that they stand on.

use crate::base::{AgentId, Timestamp};
use crate::model::{
    ActingAgent, Client, Exchange, Refusal, ScopeSet, StandingToken, TokenExchange,
};
use crate::store::{Scope, Tx, agents};

use super::access;
use super::context::Context;
use super::error::Fault;
use super::introspection::{OwnToken, own_token};

/// Reads what `client`, which proved to be itself, hands in. What is not ours, or is another
/// organization's, is one answer.
pub(super) fn read(
    context: &Context,
    client: &Client,
    exchange: &TokenExchange,
    now: Timestamp,
) -> Result<Result<Exchange, Refusal>, Fault> {
    let subject = own_token(context, exchange.subject_token.expose())?;
    let actor = exchange.actor_token.as_ref().map(|token| own_token(context, token.expose()));
    let actor = actor.transpose()?;
    let of_org = |token: &OwnToken| token.bearer.organization_id == client.organization_id;
    let Some(subject) = subject.filter(of_org) else {
        return Ok(Err(Refusal::SubjectTokenRefused));
    };
    let actor = match actor.map(|actor| actor.filter(of_org)) {
        Some(None) => return Ok(Err(Refusal::ActorTokenRefused)),
        Some(Some(actor)) => Some(actor),
        None => None,
    };
    let scope = Scope::Org(client.organization_id.clone());
    context.store.read(&scope, |tx| {
        let Some(subject) = standing(tx, &subject, now)? else {
            return Ok(Err(Refusal::SubjectTokenRefused));
        };
        let actor = match &actor {
            None => None,
            Some(actor) => match standing(tx, actor, now)? {
                None => return Ok(Err(Refusal::ActorTokenRefused)),
                standing => standing,
            },
        };
        let issuer = context.issuer.as_str().to_owned();
        Ok(Ok(Exchange { subject, actor, issuer }))
    })
}

/// The token, if it and all that it is about still stand.
fn standing(
    tx: &mut dyn Tx,
    token: &OwnToken,
    now: Timestamp,
) -> Result<Option<StandingToken>, Fault> {
    let OwnToken { claims, bearer } = token;
    let seconds_left = claims.exp - now.as_seconds();
    if seconds_left <= 0 || !stands(tx, bearer)? {
        return Ok(None);
    }
    let Some(agent) = agents::get(tx, &bearer.agent_id)? else { return Ok(None) };
    let may_act = claims.may_act.as_ref().and_then(|may_act| may_act.get("sub")?.as_str());
    Ok(Some(StandingToken {
        jti: bearer.jti.clone(),
        organization_id: bearer.organization_id.clone(),
        subject: bearer.agent_id.clone(),
        did: agent.did,
        client_id: claims.client_id.clone(),
        audiences: claims.aud.clone(),
        scopes: still_registered(&bearer.scopes, &agent.scopes),
        actors: bearer.actors.clone(),
        may_act: may_act.and_then(|id| AgentId::parse(id).ok()),
        seconds_left,
    }))
}

fn still_registered(of_token: &ScopeSet, of_agent: &ScopeSet) -> ScopeSet {
    of_token.filtered(|scope| of_agent.contains(scope))
}

/// Whether the bearer of a token may still act by it.
pub(super) fn stands(tx: &mut dyn Tx, bearer: &ActingAgent) -> Result<bool, Fault> {
    let standing = access::standing(tx, bearer)?;
    Ok(standing.is_some_and(|standing| standing.admits(&bearer.jti)))
}
