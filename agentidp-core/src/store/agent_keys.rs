//! Keys of agents.

use crate::base::{AgentId, Timestamp};
use crate::jose::Jwk;
use crate::model::{AgentKey, AgentKeyState, Custody};

use super::{Row, StoreError, Tx, Value};

const INSERT: &str = "INSERT INTO agent_keys
        (organization_id, agent_id, kid, alg, custody, state, public_jwk, sealed_private_key,
         created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (organization_id, agent_id, kid) DO NOTHING";

/// Stores a key. `false` when the agent has or had one of that name.
pub(crate) fn insert(
    tx: &mut dyn Tx,
    key: &AgentKey,
    sealed_private_key: Option<&[u8]>,
) -> Result<bool, StoreError> {
    let public_jwk = key.public_key.to_jwk().to_string();
    let params = [
        Value::Text(key.agent_id.as_str()),
        Value::Text(&key.kid),
        Value::Text(key.public_key.alg().as_str()),
        Value::Text(key.custody.as_str()),
        Value::Text(key.state.as_str()),
        Value::Text(&public_jwk),
        Value::blob_or_null(sealed_private_key),
        Value::Int(key.created_at.as_micros()),
    ];
    Ok(tx.execute(INSERT, &params)? == 1)
}

const PUBLISHED: &str = "SELECT organization_id, agent_id, kid, custody, state, public_jwk,
        created_at, expires_at
    FROM agent_keys
    WHERE organization_id = ?1 AND agent_id = ?2 AND state <> 'revoked'
        AND (expires_at IS NULL OR expires_at > ?3)
    ORDER BY created_at, kid";

/// The agent's keys that are published, the oldest first.
pub(crate) fn published(
    tx: &mut dyn Tx,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Vec<AgentKey>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.tenant_rows(PUBLISHED, &params, read)
}

const KNOWN: &str = "SELECT organization_id FROM agent_keys
    WHERE organization_id = ?1 AND agent_id = ?2 AND kid = ?3";

/// Whether the agent has or had the key.
pub(crate) fn is_known(tx: &mut dyn Tx, agent: &AgentId, kid: &str) -> Result<bool, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Text(kid)];
    Ok(tx.tenant_row(KNOWN, &params, |_| Ok(()))?.is_some())
}

const PROVING: &str = "SELECT organization_id, agent_id, kid, custody, state, public_jwk,
        created_at, expires_at
    FROM agent_keys
    WHERE organization_id = ?1 AND agent_id = ?2 AND state = 'current'
        AND custody = 'held_by_agent' AND (expires_at IS NULL OR expires_at > ?3)
    ORDER BY created_at, kid";

/// The keys that the agent itself holds and was registered with, by which it may prove itself.
pub(crate) fn proving(
    tx: &mut dyn Tx,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Vec<AgentKey>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.tenant_rows(PROVING, &params, read)
}

fn read(row: &dyn Row) -> Result<AgentKey, StoreError> {
    Ok(AgentKey {
        agent_id: row.parsed(1, |text| AgentId::parse(text).ok())?,
        kid: row.text(2)?.to_owned(),
        custody: row.parsed(3, Custody::parse)?,
        state: row.parsed(4, AgentKeyState::parse)?,
        public_key: row.parsed(5, |text| Jwk::parse(text.as_bytes()).ok())?.key().clone(),
        created_at: Timestamp::from_micros(row.int(6)?),
        expires_at: row.int_or_null(7)?.map(Timestamp::from_micros),
    })
}

const RETIRE: &str = "UPDATE agent_keys
    SET state = 'retired', expires_at = ?3, sealed_private_key = NULL
    WHERE organization_id = ?1 AND agent_id = ?2 AND custody = 'custodial' AND state = 'current'";

/// Retires the key that is held for the agent: it is published until `expires_at`. Its private half
/// is of no more use and is destroyed.
pub(crate) fn retire(
    tx: &mut dyn Tx,
    agent: &AgentId,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(expires_at.as_micros())];
    tx.execute(RETIRE, &params).map(|_| ())
}

const PURGE: &str = "DELETE FROM agent_keys
    WHERE organization_id = ?1 AND agent_id = ?2 AND state = 'retired' AND expires_at <= ?3";

/// Forgets the agent's retired keys that are not published any more.
pub(crate) fn purge(tx: &mut dyn Tx, agent: &AgentId, now: Timestamp) -> Result<(), StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.execute(PURGE, &params).map(|_| ())
}

const REVOKE: &str = "UPDATE agent_keys SET state = 'revoked', sealed_private_key = NULL
    WHERE organization_id = ?1 AND agent_id = ?2 AND kid = ?3 AND state <> 'revoked'
        AND (expires_at IS NULL OR expires_at > ?4)";

/// Revokes a key that is published, and destroys the private half if it is held for the agent. `false`
/// where no such key is published.
pub(crate) fn revoke(
    tx: &mut dyn Tx,
    agent: &AgentId,
    kid: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Text(kid), Value::Int(now.as_micros())];
    Ok(tx.execute(REVOKE, &params)? == 1)
}

const REVOKE_ALL: &str = "UPDATE agent_keys SET state = 'revoked', sealed_private_key = NULL
    WHERE organization_id = ?1 AND agent_id = ?2";

/// Revokes all keys of the agent, and destroys the private halves that are held for it.
pub(crate) fn revoke_all(tx: &mut dyn Tx, agent: &AgentId) -> Result<(), StoreError> {
    tx.execute(REVOKE_ALL, &[Value::Text(agent.as_str())]).map(|_| ())
}
