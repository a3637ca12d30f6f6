//! Members of an organization. Whoever changes them holds the organization's lock, so that what is
//! decided on its owners still holds when it is written.

use crate::base::{AgentId, Page, PageRequest};
use crate::model::{self, Action, AgentStatus, Denied, Member, MemberChange, MemberStays, Role};
use crate::store::{StoreError, Tx, agents, members, orgs};

use super::acting::Acting;
use super::error::{Fault, OrgError};
use super::journal::reason;

/// The types of the events.
const ADDED: &str = "org.member.added";
const CHANGED: &str = "org.member.changed";
const REMOVED: &str = "org.member.removed";

/// A page of the members, in the order of their agents' ids.
pub(crate) fn list(acting: &Acting<'_>, page: &PageRequest) -> Result<Page<Member>, OrgError> {
    let from = page.cursor().map(|cursor| AgentId::parse(cursor.as_str())).transpose()?;
    let items = page.items();
    let rows = acting.read::<_, OrgError>(Action::SeeOrg, |tx| {
        orgs::get(tx)?.ok_or(OrgError::NotFound)?;
        Ok(members::from(tx, from.as_ref(), items + 1)?)
    })?;
    Ok(Page::cut(rows, items, |member| member.agent_id.as_str()))
}

/// Makes an agent a member. One that is it already, in that role, is left as it is.
pub(crate) fn add(acting: &Acting<'_>, agent: &AgentId, role: Role) -> Result<Member, OrgError> {
    let new = |tx: &mut dyn Tx| {
        let known = members::get(tx, agent)?;
        if let Some(known) = known {
            return Ok(match known.role == role {
                true => Ok(Step::Keep(known)),
                false => Err(MemberStays::AlreadyMember(known.role).into()),
            });
        }
        if !agents::lock(tx, agent)? {
            return match agents::get(tx, agent)? {
                Some(known) if known.status != AgentStatus::Active => {
                    Ok(Err(OrgError::AgentNotActive))
                }
                _ => Err(OrgError::AgentNotFound),
            };
        }
        Ok(Ok(Step::Put(None)))
    };
    let least = MemberChange { from: None, to: Some(role) };
    put(acting, Verb { name: "add member", event_type: ADDED, least, agent, role }, new)
}

/// Gives a member another role.
pub(crate) fn set_role(
    acting: &Acting<'_>,
    agent: &AgentId,
    role: Role,
) -> Result<Member, OrgError> {
    let changed = |tx: &mut dyn Tx| {
        let known = members::get(tx, agent)?.ok_or(OrgError::MemberNotFound)?;
        Ok(Ok(if known.role == role { Step::Keep(known) } else { Step::Put(Some(known)) }))
    };
    // The right to change a role does not depend on which it was.
    let least = MemberChange { from: Some(role), to: Some(role) };
    put(acting, Verb { name: "set member role", event_type: CHANGED, least, agent, role }, changed)
}

/// What a verb is to do once it has seen the rows.
enum Step {
    /// It is as it should be.
    Keep(Member),
    /// Write it, in the place of this.
    Put(Option<Member>),
}

/// A verb that leaves a member behind.
struct Verb<'a> {
    name: &'static str,
    event_type: &'static str,
    /// What the verb needs leave for at the least.
    least: MemberChange,
    agent: &'a AgentId,
    role: Role,
}

/// Looks with `step` at what is there, decides, and writes.
fn put(
    acting: &Acting<'_>,
    verb: Verb<'_>,
    mut step: impl FnMut(&mut dyn Tx) -> Result<Result<Step, OrgError>, OrgError>,
) -> Result<Member, OrgError> {
    let Verb { name, event_type, least, agent, role } = verb;
    let now = acting.context.now();
    acting.write(name, least.action(), |tx| {
        lock(tx)?;
        let known = match step(tx)? {
            Ok(Step::Keep(member)) => return Ok(Ok(member)),
            Ok(Step::Put(known)) => known,
            Err(refusal) => return refuse(acting, tx, event_type, agent, refusal),
        };
        let from = known.as_ref().map(|member| member.role);
        if let Err(refusal) = decide(acting, tx, agent, MemberChange { from, to: Some(role) })? {
            return refuse(acting, tx, event_type, agent, refusal);
        }
        let created_at = known.map_or(now, |member| member.created_at);
        let member = Member { agent_id: agent.clone(), role, created_at, updated_at: now };
        members::put(tx, &member)?;
        let mut event = acting.event(event_type).target(agent.as_str()).with("role", role.as_str());
        if let Some(from) = from {
            event = event.with("previousRole", from.as_str());
        }
        acting.journal(tx, &event)?;
        Ok::<_, OrgError>(Ok(member))
    })?
}

/// Ends a membership.
pub(crate) fn remove(acting: &Acting<'_>, agent: &AgentId) -> Result<(), OrgError> {
    acting.write("remove member", Action::ManageMembers, |tx| {
        lock(tx)?;
        let known = members::get(tx, agent)?.ok_or(OrgError::MemberNotFound)?;
        let change = MemberChange { from: Some(known.role), to: None };
        if let Err(refusal) = decide(acting, tx, agent, change)? {
            return refuse(acting, tx, REMOVED, agent, refusal);
        }
        Ok::<_, OrgError>(end(acting, tx, agent)?.map_err(OrgError::from))
    })?
}

/// Ends the membership of an agent, if it has one, in a transaction that does more: an agent that is
/// decommissioned is no member any more. The last owner stays what it is, and so must the agent:
/// then nothing is written, and the verb refuses.
pub(super) fn end(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    agent: &AgentId,
) -> Result<Result<(), MemberStays>, Fault> {
    orgs::lock(tx)?;
    let Some(known) = members::get(tx, agent)? else { return Ok(Ok(())) };
    let change = MemberChange { from: Some(known.role), to: None };
    if let Err(stays) = change.decide(false, members::owners(tx)?) {
        return Ok(Err(stays));
    }
    members::remove(tx, agent)?;
    let event = acting.event(REMOVED).target(agent.as_str()).with("role", known.role.as_str());
    acting.journal(tx, &event)?;
    Ok(Ok(()))
}

/// Whether the caller may get a secret of the agent, which is as good as the agent's role.
pub(super) fn holds_role(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    agent: &AgentId,
) -> Result<Result<(), Denied>, StoreError> {
    let Some(caller) = acting.caller.agent() else { return Ok(Ok(())) };
    // Whoever acts for an agent does not have its role.
    let itself = caller.actors.current().is_none();
    let own = members::get(tx, &caller.agent_id)?.map(|member| member.role).filter(|_| itself);
    let other = members::get(tx, agent)?.map(|member| member.role);
    Ok(model::holds_role(own, other))
}

fn lock(tx: &mut dyn Tx) -> Result<(), OrgError> {
    if orgs::lock(tx)? { Ok(()) } else { Err(OrgError::NotFound) }
}

/// Whether the change may be. The caller was asked before the lock was had; what committed in the
/// meantime counts.
fn decide(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    agent: &AgentId,
    change: MemberChange,
) -> Result<Result<(), OrgError>, OrgError> {
    if let Err(denied) = acting.still(tx, change.action())? {
        return Ok(Err(denied.into()));
    }
    let own = acting.caller.agent().is_some_and(|caller| caller.agent_id == *agent);
    Ok(change.decide(own, members::owners(tx)?).map_err(OrgError::from))
}

/// Tells the log of a change that is refused.
fn refuse<T>(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    event_type: &'static str,
    agent: &AgentId,
    refusal: OrgError,
) -> Result<Result<T, OrgError>, OrgError> {
    let event = acting.refused(event_type, reason(refusal.code())).target(agent.as_str());
    acting.journal(tx, &event)?;
    Ok(Err(refusal))
}
