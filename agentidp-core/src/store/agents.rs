//! Agents.

use crate::base::{AgentId, OrgId, Timestamp};
use crate::crypto::Alg;
use crate::model::{Agent, AgentFilter, AgentStatus, ScopeSet};

use super::{Row, StoreError, Tx, Value};

const INSERT: &str = "INSERT INTO agents
        (organization_id, agent_id, did, name, description, owner, scopes, audiences, capabilities,
         url, token_life_seconds_max, status, imported_at, version, created_at, updated_at,
         token_alg)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

/// Stores a new agent.
pub(crate) fn insert(tx: &mut dyn Tx, agent: &Agent) -> Result<(), StoreError> {
    let (scopes, audiences) = (agent.scopes.to_string(), join(&agent.audiences));
    let capabilities = join(&agent.capabilities);
    let params = [
        Value::Text(agent.id.as_str()),
        Value::Text(&agent.did),
        Value::Text(&agent.name),
        Value::text_or_null(agent.description.as_deref()),
        Value::text_or_null(agent.owner.as_deref()),
        Value::Text(&scopes),
        Value::Text(&audiences),
        Value::Text(&capabilities),
        Value::text_or_null(agent.url.as_deref()),
        Value::int_or_null(agent.token_life_seconds_max),
        Value::Text(agent.status.as_str()),
        Value::int_or_null(agent.imported_at.map(Timestamp::as_micros)),
        Value::Int(agent.version),
        Value::Int(agent.created_at.as_micros()),
        Value::Int(agent.updated_at.as_micros()),
        Value::text_or_null(agent.token_alg.map(Alg::as_str)),
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

const LEAVE_PLACE: &str = "UPDATE organizations SET agents_live = agents_live - 1
    WHERE organization_id = ?1";

/// Counts one agent of the organization less.
pub(crate) fn leave_place(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute(LEAVE_PLACE, &[]).map(|_| ())
}

const PLACES_LEFT: &str = "SELECT organization_id, max_agents - agents_live FROM organizations WHERE organization_id = ?1";

/// How many more agents the organization may have.
pub(crate) fn places_left(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    Ok(tx.tenant_row(PLACES_LEFT, &[], |row| row.int(1))?.unwrap_or(0))
}

const GET: &str = "SELECT organization_id, agent_id, did, name, description, owner, scopes,
        audiences, capabilities, url, token_life_seconds_max, status, imported_at, version,
        created_at, updated_at, token_alg
    FROM agents WHERE organization_id = ?1 AND agent_id = ?2";

/// The agent of that id.
pub(crate) fn get(tx: &mut dyn Tx, id: &AgentId) -> Result<Option<Agent>, StoreError> {
    tx.tenant_row(GET, &[Value::Text(id.as_str())], read)
}

const LIST: &str = "SELECT organization_id, agent_id, did, name, description, owner, scopes,
        audiences, capabilities, url, token_life_seconds_max, status, imported_at, version,
        created_at, updated_at, token_alg
    FROM agents WHERE organization_id = ?1 AND agent_id > ?2
    ORDER BY agent_id LIMIT ?3";

// Compared as one with the id, or SQLite would go through all agents after the cursor.
const LIST_BY_STATUS: &str = "SELECT organization_id, agent_id, did, name, description, owner,
        scopes, audiences, capabilities, url, token_life_seconds_max, status, imported_at, version,
        created_at, updated_at, token_alg
    FROM agents WHERE organization_id = ?1 AND (status, agent_id) > (?4, ?2) AND status <= ?4
    ORDER BY status, agent_id LIMIT ?3";

const LIST_BY_OWNER: &str = "SELECT organization_id, agent_id, did, name, description, owner,
        scopes, audiences, capabilities, url, token_life_seconds_max, status, imported_at, version,
        created_at, updated_at, token_alg
    FROM agents WHERE organization_id = ?1 AND (owner, agent_id) > (?4, ?2) AND owner <= ?4
    ORDER BY owner, agent_id LIMIT ?3";

const LIST_BY_OWNER_AND_STATUS: &str = "SELECT organization_id, agent_id, did, name, description,
        owner, scopes, audiences, capabilities, url, token_life_seconds_max, status, imported_at,
        version, created_at, updated_at, token_alg
    FROM agents
    WHERE organization_id = ?1 AND (owner, agent_id) > (?4, ?2) AND owner <= ?4 AND status = ?5
    ORDER BY owner, agent_id LIMIT ?3";

/// At most `count` agents whose ids come after `after`, in the order of their ids.
pub(crate) fn list(
    tx: &mut dyn Tx,
    filter: &AgentFilter,
    after: Option<&AgentId>,
    count: usize,
) -> Result<Vec<Agent>, StoreError> {
    let after = Value::Text(after.map_or("", AgentId::as_str));
    let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    match filter {
        AgentFilter::All => tx.tenant_rows(LIST, &[after, count], read),
        AgentFilter::Status(status) => {
            let status = Value::Text(status.as_str());
            tx.tenant_rows(LIST_BY_STATUS, &[after, count, status], read)
        }
        AgentFilter::Owner(owner) => {
            tx.tenant_rows(LIST_BY_OWNER, &[after, count, Value::Text(owner)], read)
        }
        AgentFilter::OwnerAndStatus(owner, status) => {
            let (owner, status) = (Value::Text(owner), Value::Text(status.as_str()));
            tx.tenant_rows(LIST_BY_OWNER_AND_STATUS, &[after, count, owner, status], read)
        }
    }
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
        capabilities: split(row.text(8)?),
        url: row.text_or_null(9)?.map(str::to_owned),
        token_life_seconds_max: row.int_or_null(10)?,
        status: row.parsed(11, AgentStatus::parse)?,
        imported_at: row.int_or_null(12)?.map(Timestamp::from_micros),
        version: row.int(13)?,
        created_at: Timestamp::from_micros(row.int(14)?),
        updated_at: Timestamp::from_micros(row.int(15)?),
        token_alg: row.parsed_or_null(16, Alg::parse)?,
    })
}

/// Audiences are URIs and capabilities are names: neither holds spaces.
fn join(list: &[String]) -> String {
    list.join(" ")
}

fn split(text: &str) -> Vec<String> {
    text.split(' ').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

const LOCK: &str = "UPDATE agents SET version = version
    WHERE organization_id = ?1 AND agent_id = ?2 AND status = 'active'";

/// Makes others that change the agent wait for this transaction. `false` when there is no such agent
/// or it is not active.
pub(crate) fn lock(tx: &mut dyn Tx, id: &AgentId) -> Result<bool, StoreError> {
    Ok(tx.execute(LOCK, &[Value::Text(id.as_str())])? == 1)
}

const HOLD: &str = "UPDATE agents SET version = version
    WHERE organization_id = ?1 AND agent_id = ?2";

/// As [`lock`], whatever the agent's status; and reads it as it stands then.
pub(crate) fn hold(tx: &mut dyn Tx, id: &AgentId) -> Result<Option<Agent>, StoreError> {
    tx.execute(HOLD, &[Value::Text(id.as_str())])?;
    get(tx, id)
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

const UPDATE: &str = "UPDATE agents
    SET name = ?3, description = ?4, owner = ?5, scopes = ?6, audiences = ?7, capabilities = ?8,
        url = ?9, token_life_seconds_max = ?10, status = ?11, token_alg = ?12
    WHERE organization_id = ?1 AND agent_id = ?2";

/// Stores the agent as it was changed; [`touch`] counts that it was.
pub(crate) fn update(tx: &mut dyn Tx, agent: &Agent) -> Result<(), StoreError> {
    let (scopes, audiences) = (agent.scopes.to_string(), join(&agent.audiences));
    let capabilities = join(&agent.capabilities);
    let params = [
        Value::Text(agent.id.as_str()),
        Value::Text(&agent.name),
        Value::text_or_null(agent.description.as_deref()),
        Value::text_or_null(agent.owner.as_deref()),
        Value::Text(&scopes),
        Value::Text(&audiences),
        Value::Text(&capabilities),
        Value::text_or_null(agent.url.as_deref()),
        Value::int_or_null(agent.token_life_seconds_max),
        Value::Text(agent.status.as_str()),
        Value::text_or_null(agent.token_alg.map(Alg::as_str)),
    ];
    tx.execute(UPDATE, &params).map(|_| ())
}

// Tokens may have been issued since an end that lies ahead: they count as issued just after it.
const END_TOKENS: &str = "UPDATE agents
    SET tokens_not_before = CASE WHEN ?3 > tokens_not_before THEN ?3 ELSE tokens_not_before + 1 END
    WHERE organization_id = ?1 AND agent_id = ?2";

/// Makes the agent's tokens void that were issued up to `not_before`.
pub(crate) fn end_tokens(
    tx: &mut dyn Tx,
    id: &AgentId,
    not_before: Timestamp,
) -> Result<(), StoreError> {
    let params = [Value::Text(id.as_str()), Value::Int(not_before.as_micros())];
    tx.execute(END_TOKENS, &params).map(|_| ())
}
