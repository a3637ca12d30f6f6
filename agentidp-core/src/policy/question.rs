//! What a policy is asked: its `input`. docs/policy.md documents each field.

use serde::Serialize;

use super::agent::KnownAgent;
use crate::base::{AgentId, SYSTEM_ORG};
use crate::model::{Action, Role};

/// The version of the shape below. A field that is added does not raise it.
const VERSION: u32 = 1;

/// Whether an agent may do something in an organization.
#[derive(Debug, Serialize)]
pub(super) struct Question<'a> {
    version: u32,
    action: &'static str,
    /// The organization of the thing, by the handle: never by what the agent says. Only questions of the
    /// trial lack it.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    system: &'static str,
    agent: Asking<'a>,
}

/// The agent, as its access token and its rows have it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asking<'a> {
    pub(super) id: &'a str,
    pub(super) organization: &'a str,
    pub(super) scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    /// Who acts for it by its token, who acts now first.
    pub(super) actors: Vec<&'a str>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(known: KnownAgent<'a>, role: Option<Role>) -> Asking<'a> {
        Asking {
            id: known.agent_id.as_str(),
            organization: known.organization_id.as_str(),
            scopes: known.scopes.iter().collect(),
            role: role.map(Role::as_str),
            actors: known.actors.actors().iter().map(AgentId::as_str).collect(),
        }
    }
}

impl<'a> Question<'a> {
    pub(super) fn new(
        agent: Asking<'a>,
        organization: Option<&'a str>,
        action: Action,
    ) -> Question<'a> {
        let action = action.as_str();
        Question { version: VERSION, action, organization, system: SYSTEM_ORG, agent }
    }
}
