//! Access by a token of ours: to our own API, by whoever bears it.

use crate::base::{AgentId, Jti, OrgId, Timestamp};
use crate::jose::VerifyError;
use crate::model::{ActingAgent, Action, ActorChain, PresentedToken, ScopeSet, Standing, permit};
use crate::oidc::{AccessTokenClaims, bound_key};
use crate::store::{Scope, StoreError, Tx, members};

use super::context::Context;
use super::dpop;
use super::error::AccessError;

/// Whoever presents `token`, which must be meant for this issuer and whose agent must be active.
pub(crate) fn admit(context: &Context, token: &PresentedToken) -> Result<ActingAgent, AccessError> {
    let claims = claims_of(context, token)?;
    if !claims.aud.iter().any(|audience| audience == context.issuer.as_str()) {
        return Err(VerifyError::Audience.into());
    }
    let agent = bearer(&claims)?;
    let home = Scope::Org(agent.organization_id.clone());
    let standing = context.store.read(&home, |tx| standing(tx, &agent))?;
    let per_minute_max = standing.map(|standing| standing.per_minute_max);
    permit(&agent, standing, &agent.organization_id, Action::SeeOrg)
        .map_err(|_| AccessError::NotActive)?;
    context.count(&agent.organization_id, per_minute_max.unwrap_or_default())?;
    Ok(agent)
}

/// What an access token of ours says, for whomever it is meant, until the second of its end. One that is
/// bound to a key is taken with a proof of that key alone, and one that is not without any (RFC 9449
/// section 7).
pub(super) fn claims_of(
    context: &Context,
    presented: &PresentedToken,
) -> Result<AccessTokenClaims, AccessError> {
    let token = presented.token.expose();
    let claims = context.fresh_signing()?.verifier().verify_for_anybody(token)?;
    if is_over(context, &claims) {
        return Err(VerifyError::Expired.into());
    }
    let bound = bound_key(claims.cnf.as_ref())?;
    match (&presented.proof, bound) {
        (None, None) => {}
        (None, Some(_)) => return Err(VerifyError::ProofMissing.into()),
        (Some(proof), bound) => {
            let now = context.now();
            let proven =
                dpop::prove(context, proof, Some(token), now).map_err(AccessError::Proof)?;
            if bound != Some(proven.jkt.as_str()) {
                return Err(VerifyError::ProofMismatch.into());
            }
            if dpop::nonce_is_missing(context, proof, &proven, now) {
                return Err(AccessError::NonceMissing);
            }
            if !context.proofs_seen.use_once(&proven.single_use, now) {
                return Err(AccessError::ProofUsed);
            }
        }
    }
    Ok(claims)
}

/// Whether the token has ended. The skew, which the verifier grants, is for the clocks of others: by our
/// own a token ends when it says so.
pub(super) fn is_over(context: &Context, claims: &AccessTokenClaims) -> bool {
    context.now() >= Timestamp::from_seconds(claims.exp)
}

/// The agent that an access token of ours is about, and those that act for it.
pub(super) fn bearer(claims: &AccessTokenClaims) -> Result<ActingAgent, VerifyError> {
    let malformed = VerifyError::Claim;
    Ok(ActingAgent {
        agent_id: AgentId::parse(&claims.sub).map_err(|_| malformed("sub"))?,
        organization_id: OrgId::parse(&claims.organization_id)
            .map_err(|_| malformed("organization_id"))?,
        scopes: ScopeSet::parse(claims.scope.as_deref().unwrap_or_default())
            .map_err(|_| malformed("scope"))?,
        jti: Jti::parse(&claims.jti).map_err(|_| malformed("jti"))?,
        actors: ActorChain::from_claim(claims.act.as_ref()).ok_or(malformed("act"))?,
    })
}

/// How the agent and its token stand now. `None` when it is not there, or one of those that act for it
/// may not act any more. Whoever acts for an agent has its scopes and not its role.
pub(super) fn standing(
    tx: &mut dyn Tx,
    agent: &ActingAgent,
) -> Result<Option<Standing>, StoreError> {
    for actor in agent.actors.actors() {
        let actor = members::standing(tx, actor, &agent.jti)?;
        if !actor.is_some_and(|actor| actor.admits(&agent.jti)) {
            return Ok(None);
        }
    }
    let standing = members::standing(tx, &agent.agent_id, &agent.jti)?;
    let itself = agent.actors.current().is_none();
    Ok(standing.map(|standing| Standing { role: standing.role.filter(|_| itself), ..standing }))
}
