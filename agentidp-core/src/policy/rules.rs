//! What an open instance decides by.

use super::agent::KnownAgent;
use crate::base::OrgId;
use crate::model::{ActingAgent, Action, Denied, Role, ScopeSet, Standing, permit};

/// What decides what an agent may do.
#[derive(Debug, Clone, Default)]
pub(crate) enum Rules {
    /// The table of [`Action`].
    #[default]
    Table,
    /// A policy in its stead.
    #[cfg(feature = "policy-rego")]
    Rego(super::RegoPolicy),
}

impl Rules {
    /// Decides whether an agent, as it stands, may do `action` in `organization`.
    pub(crate) fn permit(
        &self,
        agent: &ActingAgent,
        standing: Option<Standing>,
        organization: &OrgId,
        action: Action,
    ) -> Result<(), Denied> {
        match self {
            Rules::Table => permit(agent, standing, organization, action),
            #[cfg(feature = "policy-rego")]
            Rules::Rego(policy) => policy.permit(agent, standing, organization, action),
        }
    }

    /// The scopes by which an agent asks about tokens of others, or ends them: those that it has or,
    /// where a policy decides, those of what the policy allows. Its role is read where it matters.
    pub(crate) fn scopes_to_ask<E>(
        &self,
        agent: KnownAgent<'_>,
        #[cfg_attr(
            not(feature = "policy-rego"),
            expect(unused_variables, reason = "the table asks for the scopes alone")
        )]
        role: impl FnOnce() -> Result<Option<Role>, E>,
    ) -> Result<ScopeSet, E> {
        match self {
            Rules::Table => Ok(agent.scopes.clone()),
            #[cfg(feature = "policy-rego")]
            Rules::Rego(policy) => {
                let role = role()?;
                let allowed = [Action::IntrospectTokens, Action::RevokeTokens]
                    .into_iter()
                    .filter(|action| policy.allows_at_home(agent, role, *action))
                    .filter_map(Action::scope);
                Ok(ScopeSet::of(allowed).unwrap_or_default())
            }
        }
    }
}
