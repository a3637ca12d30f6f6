//! Agents.

use crate::audit::Datum;
use crate::base::{AgentId, Cursor, Page, PageRequest, Timestamp, limits};
use crate::crypto::Alg;
use crate::did::agent_did;
use crate::jose::Jwk;
use crate::model::{
    Action, Agent, AgentChanges, AgentFilter, AgentKey, ChangeRefused, Custody, Invalid, NewAgent,
    Org, OrgStatus,
};
use crate::store::instance::PublicIdKind;
use crate::store::{Tx, agent_keys, agents, orgs};

use super::acting::Acting;
use super::agent_keys::CustodialKey;
use super::context::Context;
use super::error::{AgentError, Fault};
use super::journal::{disclosures_key, reason};
use super::members;

/// The types of the events.
const CREATED: &str = "agent.created";
const UPDATED: &str = "agent.updated";

/// Registers an agent: its DID and its keys are made and sealed in the same transaction.
pub(crate) fn register(acting: &Acting<'_>, new: NewAgent) -> Result<Agent, AgentError> {
    let Acting { context, organization, .. } = *acting;
    let id = AgentId::generate(&*context.clock, &*context.rng)?;
    let did = agent_did(&context.issuer, &id);
    let now = context.now();
    let held = held_keys(&new, &id, now)?;
    let agent = new.build(id, organization.clone(), did, now)?;
    check_token_alg(context, agent.token_alg)?;
    acting.read(Action::ChangeAgents, |tx| orgs::get(tx)?.ok_or(AgentError::NotFound))?;
    acting.ask_holds::<AgentError>(Action::ChangeAgents, &agent.scopes)?;
    let key = CustodialKey::make(context, organization, &agent.id)?;
    let disclosures = disclosures_key(context, organization)?;
    let (scopes, kid) = (agent.scopes.to_string(), key.kid());
    let mut event = acting
        .event(CREATED)
        .target(agent.id.as_str())
        .with("did", agent.did.as_str())
        .with("kid", kid.as_str())
        .with("scope", scopes.as_str())
        .personal(&disclosures, personal(&agent));
    if !held.is_empty() {
        let kids = held.iter().map(|key| key.kid.as_str().into()).collect();
        event = event.with("heldKids", Datum::List(kids));
    }
    let refusal = acting.write("register agent", Action::ChangeAgents, |tx| {
        if let Some(refusal) = no_place(tx)? {
            acting.journal(tx, &acting.refused(CREATED, reason(refusal.code())))?;
            return Ok(Some(refusal));
        }
        agents::insert(tx, &agent)?;
        if !orgs::claim_public_id(tx, PublicIdKind::Agent, agent.id.as_str())? {
            return Err(AgentError::Fault(Fault::Contended));
        }
        key.insert(tx, &key.current(&agent.id, now))?;
        for key in &held {
            agent_keys::insert(tx, key, None)?;
        }
        acting.journal(tx, &event)?;
        Ok::<_, AgentError>(None)
    })?;
    refusal.map_or(Ok(agent), Err)
}

/// An algorithm that is chosen for an agent is one that the instance has published a key for.
pub(super) fn check_token_alg(context: &Context, alg: Option<Alg>) -> Result<(), AgentError> {
    let Some(alg) = alg else { return Ok(()) };
    if context.fresh_signing()?.jwks().keys().iter().any(|jwk| jwk.key().alg() == alg) {
        return Ok(());
    }
    let reason = format!("this instance has no key for {alg}: `agentidp key rotate` makes one");
    Err(Invalid::new("tokenAlg", reason).into())
}

/// The keys that the agent holds itself, each once.
fn held_keys(new: &NewAgent, id: &AgentId, now: Timestamp) -> Result<Vec<AgentKey>, AgentError> {
    // One place is that of the key which is held for the agent here.
    if new.public_keys().len() >= limits::AGENT_KEYS_MAX {
        return Err(AgentError::KeysFull(limits::AGENT_KEYS_MAX));
    }
    let mut keys: Vec<AgentKey> = Vec::new();
    for text in new.public_keys() {
        let jwk = Jwk::from_text(text.expose()).map_err(AgentError::Key)?;
        let key = AgentKey::current(id, jwk.key(), Custody::HeldByAgent, now);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// What of an agent is personal: who stands behind it.
pub(super) fn personal(agent: &Agent) -> impl Iterator<Item = (&'static str, &str)> {
    let owner = agent.owner.as_deref().map(|owner| ("owner", owner));
    [Some(("name", agent.name.as_str())), owner].into_iter().flatten()
}

/// Takes a place among the organization's agents, or tells why it may not have one more.
pub(super) fn no_place(tx: &mut dyn Tx) -> Result<Option<AgentError>, AgentError> {
    if agents::take_place(tx)? {
        return Ok(None);
    }
    let org = orgs::get(tx)?.filter(|org| org.status == OrgStatus::Active);
    let refusal = |org: Org| AgentError::LimitReached(org.max_agents);
    Ok(Some(org.map_or(AgentError::OrgNotActive, refusal)))
}

/// The agent of that id.
pub(crate) fn get(acting: &Acting<'_>, id: &AgentId) -> Result<Agent, AgentError> {
    acting.read(Action::SeeAgents, |tx| agents::get(tx, id)?.ok_or(AgentError::NotFound))
}

/// A page of the organization's agents, in the order of their ids.
pub(crate) fn list(
    acting: &Acting<'_>,
    filter: &AgentFilter,
    request: &PageRequest,
) -> Result<Page<Agent>, AgentError> {
    let after = request.cursor().map(|cursor| AgentId::parse(cursor.as_str())).transpose();
    let after = after.map_err(AgentError::Cursor)?;
    let items = request.items();
    let mut page = acting.read::<_, AgentError>(Action::SeeAgents, |tx| {
        orgs::get(tx)?.ok_or(AgentError::NotFound)?;
        Ok(agents::list(tx, filter, after.as_ref(), items + 1)?)
    })?;
    let more = page.len() > items;
    page.truncate(items);
    let last = page.last().filter(|_| more).map(|agent| Cursor::new(agent.id.as_str()));
    Ok(Page { items: page, next_cursor: last })
}

/// Changes an agent's particulars.
pub(crate) fn update(
    acting: &Acting<'_>,
    id: &AgentId,
    changes: &AgentChanges,
) -> Result<Agent, AgentError> {
    let Acting { context, organization, caller } = *acting;
    acting.read(Action::ChangeAgents, |tx| agents::get(tx, id)?.ok_or(AgentError::NotFound))?;
    let disclosures = disclosures_key(context, organization)?;
    check_token_alg(context, changes.chosen_token_alg())?;
    let now = context.now();
    acting.write("update agent", Action::ChangeAgents, |tx| {
        let agent = agents::hold(tx, id)?.ok_or(AgentError::NotFound)?;
        let held = members::holds_role(acting, tx, id)?.map_err(ChangeRefused::from);
        let changed = match held.and_then(|()| changes.apply(&agent, caller, now)) {
            Ok(changed) if changed == agent => return Ok(Ok(agent)),
            Ok(changed) => changed,
            Err(ChangeRefused::Invalid(invalid)) => return Err(invalid.into()),
            Err(refused) => {
                let refusal = AgentError::from(refused);
                let event = acting.refused(UPDATED, reason(refusal.code())).target(id.as_str());
                acting.journal(tx, &event)?;
                return Ok(Err(refusal));
            }
        };
        agents::update(tx, &changed)?;
        agents::touch(tx, id, now)?;
        let names = changed_names(&agent, &changed);
        let scopes = changed.scopes.to_string();
        let mut event = acting
            .event(UPDATED)
            .target(id.as_str())
            .with("changed", Datum::List(names.iter().map(|name| (*name).into()).collect()))
            .personal(&disclosures, personal(&changed).filter(|(name, _)| names.contains(name)));
        if names.contains(&"scopes") {
            event = event.with("scope", scopes.as_str());
        }
        acting.journal(tx, &event)?;
        Ok::<_, AgentError>(Ok(changed))
    })?
}

/// The names of the members in which the two differ.
fn changed_names(before: &Agent, after: &Agent) -> Vec<&'static str> {
    let compared = [
        ("name", before.name != after.name),
        ("description", before.description != after.description),
        ("owner", before.owner != after.owner),
        ("scopes", before.scopes != after.scopes),
        ("audiences", before.audiences != after.audiences),
        ("capabilities", before.capabilities != after.capabilities),
        ("url", before.url != after.url),
        ("tokenAlg", before.token_alg != after.token_alg),
        ("tokenLifeSecondsMax", before.token_life_seconds_max != after.token_life_seconds_max),
    ];
    compared.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
