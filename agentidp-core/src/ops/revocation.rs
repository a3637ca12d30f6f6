//! Ending tokens one by one, and forgetting those that have expired since.

use std::time::Duration;

use crate::base::{AgentId, Jti, Timestamp, limits};
use crate::model::{Action, Asker, Caller, Invalid, Refusal, RevocationRequest};
use crate::store::{instance, orgs, tokens};

use super::acting::Acting;
use super::context::Context;
use super::error::{Fault, Refused, TokenError};
use super::introspection::{OwnToken, asker, own_token};
use super::journal::{Event, refuse};
use super::tick::in_batches;

/// The type of the event.
const REVOKED: &str = "token.revoked";

/// For how long others may accept a token after its `exp`.
const SKEW: Duration = Duration::from_secs(limits::SKEW_SECONDS.unsigned_abs());

/// Ends a token (RFC 7009). Tells whether it is one that is over now: to end one that is not valid is
/// no failure. Whether one is another client's is decided by its text alone, so that the refusal tells
/// nothing else of it.
pub(crate) fn revoke(
    context: &Context,
    caller: &Caller,
    request: &RevocationRequest,
) -> Result<bool, TokenError> {
    let asker = asker(context, caller, request.client.as_ref(), REVOKED)?;
    let Some(token) = own_token(context, request.token.expose())? else { return Ok(false) };
    // Who proved itself by its secret acts as itself, whoever the handle acts for.
    let operator = Caller::Operator;
    let (caller, proven) = match &asker {
        Asker::Agent(agent) if request.client.is_some() => (&operator, Some(&agent.agent_id)),
        _ => (caller, None),
    };
    if let Asker::Agent(agent) = &asker
        && !asker.may_end(token.subject())
    {
        let refusal = Refusal::NotItsOwn;
        let home = Acting { context, organization: &agent.organization_id, caller };
        let event = by(home.refused(REVOKED, refusal.as_str()), proven);
        refuse(context, home.organization, &event)?;
        return Err(TokenError::Refused(Refused::new(refusal)));
    }
    let organization = &token.bearer.organization_id;
    let acting = Acting { context, organization, caller };
    let event = by(acting.event(REVOKED), proven);
    record(&acting, Action::SeeOrg, event, &token.bearer.jti, last_use(&token))?;
    Ok(true)
}

/// The event, done by the agent that proved itself in the request, if one did.
fn by<'a>(event: Event<'a>, proven: Option<&'a AgentId>) -> Event<'a> {
    match proven {
        Some(agent) => event.actor(agent.as_str()),
        None => event,
    }
}

/// Ends a token of the organization.
pub(crate) fn revoke_token(acting: &Acting<'_>, token: &str) -> Result<bool, TokenError> {
    acting.ask::<TokenError>(Action::RevokeTokens)?;
    let token = own_token(acting.context, token)?;
    let own = token.filter(|token| token.bearer.organization_id == *acting.organization);
    let Some(token) = own else { return Ok(false) };
    let jti = &token.bearer.jti;
    record(acting, Action::RevokeTokens, acting.event(REVOKED), jti, last_use(&token))?;
    Ok(true)
}

/// Ends the organization's token of that name, which is not at hand itself.
pub(crate) fn revoke_jti(acting: &Acting<'_>, jti: &Jti) -> Result<bool, TokenError> {
    acting.ask::<TokenError>(Action::RevokeTokens)?;
    let now = acting.context.now();
    let latest = now.plus(limits::TOKENS_END_MARGIN).plus(SKEW);
    let issued = jti.time().filter(|issued| *issued <= latest);
    let issued = issued.ok_or_else(|| Invalid::new("jti", "not the name of a token of ours"))?;
    // Nobody knows how long it lives: as long as any token may.
    let life = Duration::from_secs(limits::TOKEN_LIFE_SECONDS.unsigned_abs());
    let expires_at = issued.plus(life).plus(SKEW);
    if expires_at <= now {
        return Ok(false);
    }
    record(acting, Action::RevokeTokens, acting.event(REVOKED), jti, expires_at)?;
    Ok(true)
}

/// From when nobody accepts the token any more.
fn last_use(token: &OwnToken) -> Timestamp {
    Timestamp::from_seconds(token.claims.exp).plus(SKEW)
}

/// Remembers the token until it would have expired, and forgets others that have.
fn record(
    acting: &Acting<'_>,
    action: Action,
    event: Event<'_>,
    jti: &Jti,
    expires_at: Timestamp,
) -> Result<(), TokenError> {
    let now = acting.context.now();
    let event = event.target(jti.as_str()).with("expiresAt", expires_at.to_string());
    acting.write("revoke token", action, |tx| {
        orgs::get(tx)?.ok_or(TokenError::NotFound)?;
        tokens::forget_expired(tx, now)?;
        if tokens::revoke(tx, jti, expires_at)? {
            acting.journal(tx, &event)?;
        }
        Ok(())
    })
}

/// Forgets revoked tokens of all organizations that nobody accepts any more, and tells how many.
pub(crate) fn purge(context: &Context, now: Timestamp) -> Result<u64, Fault> {
    in_batches(context, "purge tokens", |tx| instance::forget_expired_tokens(tx, now))
}

/// Forgets assertions and proofs that were used and that nobody accepts any more.
pub(crate) fn purge_uses(context: &Context, now: Timestamp) -> Result<(), Fault> {
    in_batches(context, "purge uses", |tx| instance::forget_expired_uses(tx, now)).map(|_| ())
}
