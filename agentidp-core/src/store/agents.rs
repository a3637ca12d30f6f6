//! Agents and their keys.

use crate::base::{AgentId, OrgId, Timestamp};
use crate::model::{Agent, AgentStatus, ScopeSet};

use super::{Row, StoreError, Tx, Value};

const INSERT: &str = "INSERT INTO agents
        (organization_id, agent_id, did, name, description, owner, scopes, audiences, status,
         version, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Stores a new agent.
pub(crate) fn insert(tx: &mut dyn Tx, agent: &Agent) -> Result<(), StoreError> {
    let audiences = join(&agent.audiences);
    let scopes = agent.scopes.to_string();
    let params = [
        Value::Text(agent.id.as_str()),
        Value::Text(&agent.did),
        Value::Text(&agent.name),
        Value::text_or_null(agent.description.as_deref()),
        Value::text_or_null(agent.owner.as_deref()),
        Value::Text(&scopes),
        Value::Text(&audiences),
        Value::Text(agent.status.as_str()),
        Value::Int(agent.version),
        Value::Int(agent.created_at.as_micros()),
        Value::Int(agent.updated_at.as_micros()),
    ];
    tx.execute(INSERT, &params).map(|_| ())
}

const TAKE_PLACE: &str = "UPDATE organizations SET agents_live = agents_live + 1
    WHERE organization_id = ?1 AND status = 'active' AND agents_live < max_agents";

/// Counts one more agent of the organization, unless it is not active or has as many as it may. Two
/// cannot both take the last place: the second waits for the first.
pub(crate) fn take_place(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(tx.execute(TAKE_PLACE, &[])? == 1)
}

const GET: &str = "SELECT organization_id, agent_id, did, name, description, owner, scopes,
        audiences, status, version, created_at, updated_at
    FROM agents WHERE organization_id = ?1 AND agent_id = ?2";

/// The agent of that id.
pub(crate) fn get(tx: &mut dyn Tx, id: &AgentId) -> Result<Option<Agent>, StoreError> {
    tx.tenant_row(GET, &[Value::Text(id.as_str())], read)
}

fn read(row: &dyn Row) -> Result<Agent, StoreError> {
    let id = row.parsed(1, |text| AgentId::parse(text).ok())?;
    Ok(Agent {
        client_id: id.clone(),
        id,
        organization_id: row.parsed(0, |text| OrgId::parse(text).ok())?,
        did: row.text(2)?.to_owned(),
        name: row.text(3)?.to_owned(),
        description: row.text_or_null(4)?.map(str::to_owned),
        owner: row.text_or_null(5)?.map(str::to_owned),
        scopes: row.parsed(6, |text| ScopeSet::parse(text).ok())?,
        audiences: split(row.text(7)?),
        status: row.parsed(8, AgentStatus::parse)?,
        version: row.int(9)?,
        created_at: Timestamp::from_micros(row.int(10)?),
        updated_at: Timestamp::from_micros(row.int(11)?),
    })
}

/// Audiences are URIs, which hold no spaces.
fn join(audiences: &[String]) -> String {
    audiences.join(" ")
}

fn split(text: &str) -> Vec<String> {
    text.split(' ').filter(|audience| !audience.is_empty()).map(str::to_owned).collect()
}

const LOCK: &str = "UPDATE agents SET version = version
    WHERE organization_id = ?1 AND agent_id = ?2 AND status = 'active'";

/// Makes others that change the agent wait for this transaction. `false` when there is no such agent
/// or it is not active.
pub(crate) fn lock(tx: &mut dyn Tx, id: &AgentId) -> Result<bool, StoreError> {
    Ok(tx.execute(LOCK, &[Value::Text(id.as_str())])? == 1)
}

const TOUCH: &str = "UPDATE agents SET version = version + 1, updated_at = ?3
    WHERE organization_id = ?1 AND agent_id = ?2";

/// Counts a change of the agent's credentials, so that decisions made before it do not stand.
pub(crate) fn touch(tx: &mut dyn Tx, id: &AgentId, now: Timestamp) -> Result<(), StoreError> {
    let params = [Value::Text(id.as_str()), Value::Int(now.as_micros())];
    tx.execute(TOUCH, &params).map(|_| ())
}

const FORGET_PERSONS: &str = "UPDATE agents SET name = agent_id, description = NULL, owner = NULL
    WHERE organization_id = ?1";

/// Forgets who the organization's agents were named after and who answered for them.
pub(crate) fn forget_persons(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute(FORGET_PERSONS, &[]).map(|_| ())
}

/// A key of an agent whose private half is held here.
pub(crate) struct CustodialKeyRow<'a> {
    pub(crate) agent_id: &'a AgentId,
    pub(crate) kid: &'a str,
    pub(crate) alg: &'a str,
    pub(crate) public_jwk: &'a str,
    pub(crate) sealed_private_key: &'a [u8],
}

const INSERT_CUSTODIAL_KEY: &str = "INSERT INTO agent_keys
        (organization_id, agent_id, kid, alg, custody, state, public_jwk, sealed_private_key,
         created_at)
    VALUES (?1, ?2, ?3, ?4, 'custodial', 'current', ?5, ?6, ?7)";

/// Stores a key that is held for an agent.
pub(crate) fn insert_custodial_key(
    tx: &mut dyn Tx,
    key: &CustodialKeyRow<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let params = [
        Value::Text(key.agent_id.as_str()),
        Value::Text(key.kid),
        Value::Text(key.alg),
        Value::Text(key.public_jwk),
        Value::Blob(key.sealed_private_key),
        Value::Int(now.as_micros()),
    ];
    tx.execute(INSERT_CUSTODIAL_KEY, &params).map(|_| ())
}
