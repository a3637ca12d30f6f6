//! Somebody acting in an organization: every verb reads and writes through this, so that none can
//! forget to ask whether its caller may.

use std::cell::Cell;

use crate::base::OrgId;
use crate::model::{ActingAgent, Action, Caller, Denied, ScopeSet};
use crate::store::{Scope, StoreError, Tx, orgs};

use super::access;
use super::context::Context;
use super::error::Fault;
use super::journal::{Event, journal, reason, refuse};

/// The type of the event.
pub(super) const DENIED: &str = "access.denied";

/// A caller with an organization at hand.
#[derive(Clone, Copy)]
pub(crate) struct Acting<'a> {
    pub(crate) context: &'a Context,
    pub(crate) organization: &'a OrgId,
    pub(crate) caller: &'a Caller,
}

impl<'a> Acting<'a> {
    /// Runs `body` in a transaction that reads, if the caller may do `action` here.
    pub(super) fn read<T, E>(
        &self,
        action: Action,
        mut body: impl FnMut(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Denied> + From<Fault> + From<StoreError>,
    {
        self.ask::<E>(action)?;
        let deleted = Cell::new(false);
        let answer = self.context.store.read(&self.scope(), |tx| {
            self.unless_deleted(tx, action, &deleted)??;
            body(tx)
        });
        self.tell_deleted(action, &deleted)?;
        answer
    }

    /// Runs `body` in a transaction that writes, if the caller may do `action` here. It must still
    /// be allowed when the transaction runs: a suspension that committed in between wins.
    pub(super) fn write<T, E>(
        &self,
        name: &'static str,
        action: Action,
        mut body: impl FnMut(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Denied> + From<Fault> + From<StoreError>,
    {
        self.ask::<E>(action)?;
        let deleted = Cell::new(false);
        let answer = self.context.store.write(name, &self.scope(), |tx| {
            // Whoever deletes the organization waits, or has done it before the next statement looks.
            orgs::lock(tx)?;
            self.unless_deleted(tx, action, &deleted)??;
            self.still(tx, action)??;
            body(tx)
        });
        self.tell_deleted(action, &deleted)?;
        answer
    }

    /// Whether the caller may do `action` as its rows stand in the transaction.
    pub(super) fn still(
        &self,
        tx: &mut dyn Tx,
        action: Action,
    ) -> Result<Result<(), Denied>, StoreError> {
        let Some(agent) = self.local() else { return Ok(Ok(())) };
        let standing = access::standing(tx, agent)?;
        Ok(self.context.rules.permit(agent, standing, self.organization, action))
    }

    /// Refuses, inside the transaction, what would change a deleted organization.
    fn unless_deleted(
        &self,
        tx: &mut dyn Tx,
        action: Action,
        deleted: &Cell<bool>,
    ) -> Result<Result<(), Denied>, StoreError> {
        // How organizations come and go, their own verbs decide.
        let passes = action.only_looks() || action == Action::ManageOrgs;
        deleted.set(!passes && orgs::is_deleted(tx)?);
        Ok(if deleted.get() { Err(Denied::OrgDeleted) } else { Ok(()) })
    }

    /// Tells the organization's log of a change that it was deleted before. Who sees that forgets its
    /// keys: another process may have deleted it.
    fn tell_deleted(&self, action: Action, deleted: &Cell<bool>) -> Result<(), Fault> {
        if !deleted.get() {
            return Ok(());
        }
        self.context.forget_organization(self.organization);
        let event = self.refused(DENIED, reason(Denied::OrgDeleted.code()));
        refuse(self.context, self.organization, &event.with("action", action.as_str()))
    }

    /// Asks for leave, and tells the log of the caller's organization where it is denied.
    pub(super) fn ask<E>(&self, action: Action) -> Result<(), E>
    where
        E: From<Denied> + From<Fault>,
    {
        let Some(agent) = self.caller.agent() else { return Ok(()) };
        let home = Scope::Org(agent.organization_id.clone());
        let standing = self
            .context
            .store
            .read(&home, |tx| access::standing(tx, agent))
            .map_err(Fault::from)?;
        let permitted = self.context.rules.permit(agent, standing, self.organization, action);
        permitted.or_else(|denied| self.deny(agent, action, denied))
    }

    /// Asks whether the caller holds `scopes`, which it would grant by `action`, and tells the log of
    /// its organization where it does not.
    pub(super) fn ask_holds<E>(&self, action: Action, scopes: &ScopeSet) -> Result<(), E>
    where
        E: From<Denied> + From<Fault>,
    {
        let Some(agent) = self.caller.agent() else { return Ok(()) };
        self.caller.holds(scopes).or_else(|denied| self.deny(agent, action, denied))
    }

    fn deny<E>(&self, agent: &ActingAgent, action: Action, denied: Denied) -> Result<(), E>
    where
        E: From<Denied> + From<Fault>,
    {
        let event = by(Event::refused(DENIED, reason(denied.code())), agent);
        let mut event = event.with("action", action.as_str());
        if let Some(outcome) = by_policy(denied) {
            event = event.with("policy", outcome);
        }
        refuse(self.context, &agent.organization_id, &event)?;
        Err(denied.into())
    }

    /// Something that happened, done by the caller.
    pub(super) fn event(&self, event_type: &'static str) -> Event<'a> {
        self.told(Event::new(event_type))
    }

    /// Something that was refused to the caller.
    pub(super) fn refused(&self, event_type: &'static str, reason: &'a str) -> Event<'a> {
        self.told(Event::refused(event_type, reason))
    }

    fn told(&self, event: Event<'a>) -> Event<'a> {
        match self.caller.agent() {
            Some(agent) => by(event, agent),
            None => event,
        }
    }

    /// Writes the event's entry and deliveries in the transaction of the change itself.
    pub(super) fn journal(&self, tx: &mut dyn Tx, event: &Event<'_>) -> Result<(), Fault> {
        journal(self.context, tx, self.organization, event).map(|_| ())
    }

    pub(super) fn scope(&self) -> Scope {
        Scope::Org(self.organization.clone())
    }

    /// The acting agent, where it acts in its own organization.
    fn local(&self) -> Option<&'a ActingAgent> {
        self.caller.agent().filter(|agent| agent.organization_id == *self.organization)
    }
}

/// The event, done by `agent` or by whoever acts for it.
fn by<'a>(event: Event<'a>, agent: &'a ActingAgent) -> Event<'a> {
    let event = event.actor(agent.doer().as_str());
    match agent.actors.current() {
        Some(_) => event.with("onBehalfOf", agent.agent_id.as_str()),
        None => event,
    }
}

/// How the policy denied, where it was the policy that did.
fn by_policy(denied: Denied) -> Option<&'static str> {
    match denied {
        Denied::Policy => Some("denied"),
        Denied::PolicyFailed => Some("failed"),
        _ => None,
    }
}
