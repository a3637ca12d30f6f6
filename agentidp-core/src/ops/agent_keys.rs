//! Keys of agents: those held for them here, and those whose private halves they hold.

use std::time::Duration;

use crate::base::{AgentId, OrgId, Timestamp, limits};
use crate::crypto::{Alg, PublicKey, seal};
use crate::jose::Jwk;
use crate::model::{Action, AgentKey, AgentKeyState, AgentStatus, Custody, check_overlap};
use crate::store::orgs::DataKeyPurpose;
use crate::store::{Tx, agent_keys, agents, credentials};

use super::acting::Acting;
use super::context::Context;
use super::error::AgentError;
use super::journal::reason;
use super::members;
use super::signing::place;

/// The types of the events.
const ROTATED: &str = "agent.keys_rotated";
const ADDED: &str = "agent.key_added";
const REVOKED: &str = "agent.key_revoked";

/// A key that we hold for an agent, sealed for its row.
pub(super) struct CustodialKey {
    public: PublicKey,
    sealed_private_key: Vec<u8>,
}

impl CustodialKey {
    const ALG: Alg = Alg::Es256;

    /// A new key for the agent.
    pub(super) fn make(
        context: &Context,
        organization: &OrgId,
        agent: &AgentId,
    ) -> Result<CustodialKey, AgentError> {
        let private = context.provider.generate(Self::ALG, &*context.rng)?;
        let public = context.provider.signer(&private)?.public_key().clone();
        let data_key =
            context.keyring.active(&*context.store, organization, DataKeyPurpose::Keys)?;
        let row = format!("{agent}/{}", public.thumbprint());
        let place = place(organization, "agent_keys", "sealed_private_key", &row);
        let sealed_private_key = seal(&data_key, &place, private.expose(), &*context.rng)?;
        Ok(CustodialKey { public, sealed_private_key })
    }

    pub(super) fn kid(&self) -> String {
        self.public.thumbprint()
    }

    /// Stores it as the agent's key.
    pub(super) fn insert(&self, tx: &mut dyn Tx, key: &AgentKey) -> Result<(), AgentError> {
        if agent_keys::insert(tx, key, Some(&self.sealed_private_key))? {
            return Ok(());
        }
        Err(AgentError::KeyKnown(key.kid.clone()))
    }

    pub(super) fn current(&self, agent: &AgentId, now: Timestamp) -> AgentKey {
        AgentKey::current(agent, &self.public, Custody::Custodial, now)
    }
}

/// The public halves of the agent's keys that are published.
pub(crate) fn list(acting: &Acting<'_>, id: &AgentId) -> Result<Vec<AgentKey>, AgentError> {
    let now = acting.context.now();
    acting.read(Action::SeeAgents, |tx| {
        agents::get(tx, id)?.ok_or(AgentError::NotFound)?;
        Ok(agent_keys::published(tx, id, now)?)
    })
}

/// Replaces the key that is held for the agent. The old one is published for `overlap` more.
pub(crate) fn rotate(
    acting: &Acting<'_>,
    id: &AgentId,
    overlap: Duration,
) -> Result<AgentKey, AgentError> {
    let Acting { context, organization, .. } = *acting;
    check_overlap(overlap)?;
    acting.read(Action::ChangeAgents, |tx| agents::get(tx, id)?.ok_or(AgentError::NotFound))?;
    let custodial = CustodialKey::make(context, organization, id)?;
    let now = context.now();
    let (key, until) = (custodial.current(id, now), now.plus(overlap));
    // The one that retires goes on being published, unless its time ends at once.
    let retiring = usize::from(until <= now);
    let refusal = acting.write("rotate agent keys", Action::ChangeAgents, |tx| {
        agent_keys::purge(tx, id, now)?;
        // Who may not end the key does not replace it either.
        let refusal = match members::holds_role(acting, tx, id)? {
            Err(denied) => Some(AgentError::from(denied)),
            Ok(()) => refusal(tx, id, &key, retiring)?,
        };
        if let Some(refusal) = refusal {
            let event = acting.refused(ROTATED, reason(refusal.code())).target(id.as_str());
            acting.journal(tx, &event)?;
            return Ok(Some(refusal));
        }
        agent_keys::retire(tx, id, until)?;
        custodial.insert(tx, &key)?;
        agents::touch(tx, id, now)?;
        let event = acting
            .event(ROTATED)
            .target(id.as_str())
            .with("kid", key.kid.as_str())
            .with("retiredUntil", until.to_string());
        acting.journal(tx, &event)?;
        Ok::<_, AgentError>(None)
    })?;
    refusal.map_or(Ok(key), Err)
}

/// Registers a key whose private half the agent holds.
pub(crate) fn add(
    acting: &Acting<'_>,
    id: &AgentId,
    jwk_or_pem: &str,
) -> Result<AgentKey, AgentError> {
    let public = Jwk::from_text(jwk_or_pem).map_err(AgentError::Key)?;
    let known =
        acting.read(Action::ChangeAgents, |tx| agents::get(tx, id)?.ok_or(AgentError::NotFound))?;
    // Whoever signs as an agent has its scopes, and its role.
    acting.ask_holds::<AgentError>(Action::ChangeAgents, &known.scopes)?;
    let now = acting.context.now();
    let key = AgentKey::current(id, public.key(), Custody::HeldByAgent, now);
    let refusal = acting.write("add agent key", Action::ChangeAgents, |tx| {
        agent_keys::purge(tx, id, now)?;
        let mut refusal = refusal(tx, id, &key, 0)?;
        // Its scopes may have become more since the caller was asked.
        let scopes = agents::get(tx, id)?.ok_or(AgentError::NotFound)?.scopes;
        let held = members::holds_role(acting, tx, id)?;
        if let Err(denied) = held.and_then(|()| acting.caller.holds(&scopes)) {
            refusal = Some(denied.into());
        }
        // A key that proves the agent in two ways would outlive its end in one of them.
        let issued = credentials::live_key_ids(tx, id, now)?.contains(&key.kid);
        if refusal.is_none() && (issued || !agent_keys::insert(tx, &key, None)?) {
            refusal = Some(AgentError::KeyKnown(key.kid.clone()));
        }
        if let Some(refusal) = refusal {
            let event = acting.refused(ADDED, reason(refusal.code())).target(id.as_str());
            acting.journal(tx, &event)?;
            return Ok(Some(refusal));
        }
        agents::touch(tx, id, now)?;
        let event = acting.event(ADDED).target(id.as_str()).with("kid", key.kid.as_str());
        acting.journal(tx, &event)?;
        Ok::<_, AgentError>(None)
    })?;
    refusal.map_or(Ok(key), Err)
}

/// Ends a key of the agent for good: it is published no more and proves nothing.
pub(crate) fn revoke(acting: &Acting<'_>, id: &AgentId, kid: &str) -> Result<(), AgentError> {
    let refusal = acting.write("revoke agent key", Action::ChangeAgents, |tx| {
        agents::hold(tx, id)?.ok_or(AgentError::NotFound)?;
        let now = acting.context.now();
        let refusal = match members::holds_role(acting, tx, id)? {
            Err(denied) => Some(AgentError::from(denied)),
            Ok(()) if !(is_thumbprint(kid) && agent_keys::revoke(tx, id, kid, now)?) => {
                Some(AgentError::KeyNotFound)
            }
            Ok(()) => None,
        };
        if let Some(refusal) = refusal {
            let event = acting.refused(REVOKED, reason(refusal.code())).target(id.as_str());
            acting.journal(tx, &event)?;
            return Ok(Some(refusal));
        }
        agents::touch(tx, id, now)?;
        acting.journal(tx, &acting.event(REVOKED).target(id.as_str()).with("kid", kid))?;
        Ok::<_, AgentError>(None)
    })?;
    refusal.map_or(Ok(()), Err)
}

/// Whether that can be the name of a key (RFC 7638).
fn is_thumbprint(kid: &str) -> bool {
    kid.len() == 43 && kid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Why the agent may not have one more key, of which `retiring` of those it has make room.
fn refusal(
    tx: &mut dyn Tx,
    id: &AgentId,
    key: &AgentKey,
    retiring: usize,
) -> Result<Option<AgentError>, AgentError> {
    let agent = agents::hold(tx, id)?.ok_or(AgentError::NotFound)?;
    if agent.status != AgentStatus::Active {
        return Ok(Some(AgentError::NotActive));
    }
    let published = agent_keys::published(tx, id, key.created_at)?;
    let current =
        |key: &&AgentKey| key.state == AgentKeyState::Current && key.custody == Custody::Custodial;
    let leaving = published.iter().filter(current).count().min(retiring);
    let full = published.len() - leaving >= limits::AGENT_KEYS_MAX;
    Ok(full.then_some(AgentError::KeysFull(limits::AGENT_KEYS_MAX)))
}
