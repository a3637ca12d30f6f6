//! Access by a token of ours: to our own API, by whoever bears it.

use crate::base::{AgentId, Jti, OrgId};
use crate::jose::VerifyError;
use crate::model::{ActingAgent, Action, ScopeSet, permit};
use crate::oidc::AccessTokenClaims;
use crate::store::{Scope, members};

use super::context::Context;
use super::error::AccessError;

/// Whoever bears `access_token`, which must be meant for this issuer and whose agent must be active.
pub(crate) fn admit(context: &Context, access_token: &str) -> Result<ActingAgent, AccessError> {
    let verifier = context.fresh_signing()?.verifier();
    let claims = verifier.verify_access_token(access_token, context.issuer.as_str())?;
    let agent = bearer(&claims)?;
    let home = Scope::Org(agent.organization_id.clone());
    let standing =
        context.store.read(&home, |tx| members::standing(tx, &agent.agent_id, &agent.jti))?;
    let per_minute_max = standing.map(|standing| standing.per_minute_max);
    permit(&agent, standing, &agent.organization_id, Action::SeeOrg)
        .map_err(|_| AccessError::NotActive)?;
    context.count(&agent.organization_id, per_minute_max.unwrap_or_default())?;
    Ok(agent)
}

/// The agent that an access token of ours was issued to.
pub(super) fn bearer(claims: &AccessTokenClaims) -> Result<ActingAgent, VerifyError> {
    let malformed = VerifyError::Claim;
    Ok(ActingAgent {
        agent_id: AgentId::parse(&claims.sub).map_err(|_| malformed("sub"))?,
        organization_id: OrgId::parse(&claims.organization_id)
            .map_err(|_| malformed("organization_id"))?,
        scopes: ScopeSet::parse(claims.scope.as_deref().unwrap_or_default())
            .map_err(|_| malformed("scope"))?,
        jti: Jti::parse(&claims.jti).map_err(|_| malformed("jti"))?,
    })
}
