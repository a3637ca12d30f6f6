//! Clients as they were last read. What is decided on a cached client is checked again by the
//! statement that writes the decision, so the cache may be stale but never wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::{AgentId, LastSeen, OrgId, Timestamp, limits};
use crate::model::{Client, ClientCredential, ClientKey, OrgStatus, ProvenBy};
use crate::store::instance::PublicIdKind;
use crate::store::{Scope, StoreError, Tx, agent_keys, agents, audit, credentials, orgs, tokens};

use super::context::Context;
use super::error::Fault;
use super::second_chance::SecondChance;
use super::signing::place;

/// For how long an expired secret is told from a wrong one.
const EXPIRED_LATELY: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) struct Clients {
    lately_read: SecondChance<AgentId, Arc<Client>>,
    read_last: Mutex<Option<(OrgId, AgentId)>>,
}

impl Default for Clients {
    fn default() -> Clients {
        let lately_read = SecondChance::new(limits::CLIENT_CACHE_MAX);
        Clients { lately_read, read_last: Mutex::default() }
    }
}

impl Clients {
    /// The client as it was last read.
    pub(super) fn cached(&self, id: &AgentId) -> Option<Arc<Client>> {
        self.lately_read.get(id)
    }

    /// Forgets a client that proved stale.
    pub(super) fn forget(&self, id: &AgentId) {
        self.lately_read.forget(id);
        self.read_last().take_if(|(_, last)| last == id);
    }

    /// Forgets all clients of an organization.
    pub(super) fn forget_all_of(&self, organization: &OrgId) {
        self.lately_read.forget_all(|client| client.organization_id == *organization);
        self.read_last().take_if(|(last, _)| last == organization);
    }

    fn keep(&self, client: &Arc<Client>) {
        self.lately_read.keep(client.agent_id.clone(), Arc::clone(client));
        *self.read_last() = Some((client.organization_id.clone(), client.agent_id.clone()));
    }

    /// The client that was read last, and its organization.
    fn read_last(&self) -> MutexGuard<'_, Option<(OrgId, AgentId)>> {
        self.read_last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the client of that id, if there is one, and keeps it. For an id that nobody has the same is done
/// with the client that was read last, so that the time taken does not tell.
pub(super) fn read(context: &Context, id: Option<&AgentId>) -> Result<Option<Arc<Client>>, Fault> {
    let nobody = AgentId::nil();
    let id = id.unwrap_or(&nobody);
    let now = context.now();
    let read = |organization: OrgId, id: &AgentId| {
        let scope = Scope::Org(organization);
        let client = context.store.read(&scope, |tx| read_rows(context, tx, id, now))?;
        let client = client.map(Arc::new);
        if let Some(client) = &client {
            context.clients.keep(client);
        }
        Ok(client)
    };
    match context.organization_of(PublicIdKind::Agent, id.as_str())? {
        Some(organization) => read(organization, id),
        None => {
            let last = context.clients.read_last().clone();
            let (organization, id) = last.unwrap_or_else(|| (OrgId::system(), nobody.clone()));
            // What is wrong with that one's rows is nothing to whoever asks.
            let _: Result<_, Fault> = read(organization, &id);
            Ok(None)
        }
    }
}

fn read_rows(
    context: &Context,
    tx: &mut dyn Tx,
    id: &AgentId,
    now: Timestamp,
) -> Result<Option<Client>, Fault> {
    let (org, agent) = (orgs::get(tx)?, agents::get(tx, id)?);
    // A secret that expired lately is read too: the log shall say that it did.
    let secrets = credentials::live_secrets(tx, id, now.minus(EXPIRED_LATELY))?;
    let keys = live_keys(tx, id, now)?;
    let token_issued_subscribed = audit::subscribes(tx, super::tokens::ISSUED)?;
    let terms = tokens::terms(tx, id)?;
    let (Some(org), Some(mut agent), Some(terms)) = (org, agent, terms) else { return Ok(None) };
    let mut live = Vec::with_capacity(secrets.len());
    // What a deleted organization had sealed nobody can open any more: it has no secrets.
    let deleted = org.status == OrgStatus::Deleted;
    if deleted {
        context.keyring.forget(&org.id);
    }
    for secret in secrets.into_iter().filter(|_| !deleted) {
        let row = format!("{id}/{}", secret.credential_id);
        let place = place(&org.id, "credentials", "sealed_secret_mac", &row);
        let mac = context.keyring.open(tx, &place, &secret.sealed_secret_mac)?;
        live.push(ClientCredential {
            secret_mac: mac.expose().try_into().map_err(|_| Fault::MissingKey("secret"))?,
            credential_id: secret.credential_id,
            scheme: secret.scheme,
            pepper_version: secret.pepper_version,
            expires_at: secret.expires_at,
        });
    }
    // Thousands are kept, and most have one of each, for which a list grown by `push` has room for four.
    agent.scopes.shrink_to_fit();
    agent.audiences.shrink_to_fit();
    Ok(Some(Client {
        token_issued_subscribed,
        agent_id: agent.id,
        organization_id: org.id,
        did: agent.did,
        name: agent.name,
        agent_status: agent.status,
        org_status: org.status,
        scopes: agent.scopes,
        audiences: agent.audiences,
        url: terms.url,
        terms: terms.terms,
        credentials: live,
        keys,
        token_alg: agent.token_alg,
        agent_version: agent.version,
        org_version: org.version,
        last_seen: LastSeen::default(),
    }))
}

/// The keys by which the client may prove itself: those issued as credentials, and those that it was
/// registered with. Those that are held for it here prove nothing about it.
fn live_keys(tx: &mut dyn Tx, id: &AgentId, now: Timestamp) -> Result<Vec<ClientKey>, StoreError> {
    let mut keys = credentials::live_keys(tx, id, now)?;
    for key in agent_keys::proving(tx, id, now)? {
        if keys.iter().all(|known| known.kid != key.kid) {
            keys.push(ClientKey {
                proven_by: ProvenBy::AgentKey(key.kid.clone()),
                kid: key.kid,
                key: key.public_key,
                expires_at: key.expires_at,
            });
        }
    }
    Ok(keys)
}
