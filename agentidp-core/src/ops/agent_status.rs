//! Suspending, reactivating and decommissioning agents.

use crate::base::{AgentId, limits};
use crate::model::{Action, Agent, Step, Transition};
use crate::store::{Tx, agent_keys, agents, credentials, orgs};

use super::acting::Acting;
use super::error::AgentError;
use super::journal::reason;
use super::members;

/// Takes the agent through `transition`. One that is there already stays as it is.
pub(crate) fn change(
    acting: &Acting<'_>,
    id: &AgentId,
    transition: Transition,
) -> Result<Agent, AgentError> {
    let event_type = event_type(transition);
    acting.write("change agent status", Action::ChangeAgents, |tx| {
        // Whoever locks both locks the organization first.
        if transition == Transition::Decommission {
            orgs::lock(tx)?;
        }
        let mut agent = agents::hold(tx, id)?.ok_or(AgentError::NotFound)?;
        // Read where nobody else issues by what was there before: the lock may have taken its time.
        let now = acting.context.now();
        if let Err(denied) = members::holds_role(acting, tx, id)? {
            return refuse(acting, tx, event_type, id, denied.into());
        }
        let status = match agent.status.after(transition) {
            Step::Stay => return Ok(Ok(agent)),
            Step::To(status) => status,
            Step::Refused => {
                return refuse(acting, tx, event_type, id, AgentError::Decommissioned);
            }
        };
        if transition == Transition::Decommission
            && let Err(stays) = members::end(acting, tx, id)?
        {
            return refuse(acting, tx, event_type, id, stays.into());
        }
        agent.status = status;
        agent.version += 1;
        agent.updated_at = now;
        agents::update(tx, &agent)?;
        agents::touch(tx, id, now)?;
        if transition.ends_tokens() {
            agents::end_tokens(tx, id, now.plus(limits::TOKENS_END_MARGIN))?;
        }
        if transition == Transition::Decommission {
            bury(tx, id)?;
        }
        acting.journal(tx, &acting.event(event_type).target(id.as_str()))?;
        Ok::<_, AgentError>(Ok(agent))
    })?
}

/// Tells the log that the agent stays as it is.
fn refuse(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    event_type: &'static str,
    id: &AgentId,
    refusal: AgentError,
) -> Result<Result<Agent, AgentError>, AgentError> {
    let event = acting.refused(event_type, reason(refusal.code())).target(id.as_str());
    acting.journal(tx, &event)?;
    Ok(Err(refusal))
}

/// Nothing that the agent proved itself by is left, and its place is another's.
fn bury(tx: &mut dyn Tx, id: &AgentId) -> Result<(), AgentError> {
    credentials::revoke_all(tx, id)?;
    agent_keys::revoke_all(tx, id)?;
    agents::leave_place(tx)?;
    Ok(())
}

fn event_type(transition: Transition) -> &'static str {
    match transition {
        Transition::Suspend => "agent.suspended",
        Transition::Reactivate => "agent.reactivated",
        Transition::Decommission => "agent.decommissioned",
    }
}
