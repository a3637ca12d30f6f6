//! An agent, as the decisions see it.

use crate::base::{AgentId, OrgId};
use crate::model::{ActingAgent, ActorChain, ScopeSet};

/// What of an agent its token or its credential tells.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "policy-rego"),
    expect(dead_code, reason = "the table asks for the scopes alone")
)]
pub(crate) struct KnownAgent<'a> {
    pub(crate) agent_id: &'a AgentId,
    pub(crate) organization_id: &'a OrgId,
    pub(crate) scopes: &'a ScopeSet,
    /// Who acts for it.
    pub(crate) actors: &'a ActorChain,
}

impl<'a> From<&'a ActingAgent> for KnownAgent<'a> {
    fn from(agent: &'a ActingAgent) -> KnownAgent<'a> {
        let ActingAgent { agent_id, organization_id, scopes, actors, .. } = agent;
        KnownAgent { agent_id, organization_id, scopes, actors }
    }
}
