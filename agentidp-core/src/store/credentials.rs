//! Credentials of agents, and the guarded insert that issues a token by one.

use crate::base::{AgentId, CredentialId, EventId, Timestamp};
use crate::model::Credential;

use super::{StoreError, Tx, Value};

/// What a credential keeps of its secret.
pub(crate) struct SecretRow<'a> {
    pub(crate) pepper_version: i64,
    pub(crate) sealed_secret_mac: &'a [u8],
}

const INSERT_SECRET: &str = "INSERT INTO credentials
        (organization_id, credential_id, agent_id, kind, status, pepper_version,
         sealed_secret_mac, expires_at, created_at)
    VALUES (?1, ?2, ?3, 'secret', ?4, ?5, ?6, ?7, ?8)";

/// Stores a credential with a secret.
pub(crate) fn insert_secret(
    tx: &mut dyn Tx,
    credential: &Credential,
    secret: &SecretRow<'_>,
) -> Result<(), StoreError> {
    let params = [
        Value::Text(credential.id.as_str()),
        Value::Text(credential.client_id.as_str()),
        Value::Text(credential.status.as_str()),
        Value::Int(secret.pepper_version),
        Value::Blob(secret.sealed_secret_mac),
        Value::int_or_null(credential.expires_at.map(Timestamp::as_micros)),
        Value::Int(credential.created_at.as_micros()),
    ];
    tx.execute(INSERT_SECRET, &params).map(|_| ())
}

/// A live secret of an agent.
pub(crate) struct LiveSecret {
    pub(crate) credential_id: CredentialId,
    pub(crate) pepper_version: i64,
    pub(crate) sealed_secret_mac: Vec<u8>,
    pub(crate) expires_at: Option<Timestamp>,
}

const LIVE_SECRETS: &str = "SELECT organization_id, credential_id, pepper_version,
        sealed_secret_mac, expires_at
    FROM credentials
    WHERE organization_id = ?1 AND agent_id = ?2 AND kind = 'secret' AND status = 'active'
        AND (expires_at IS NULL OR expires_at > ?3)
    ORDER BY credential_id";

/// The agent's secrets that have neither been revoked nor expired.
pub(crate) fn live_secrets(
    tx: &mut dyn Tx,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Vec<LiveSecret>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.tenant_rows(LIVE_SECRETS, &params, |row| {
        Ok(LiveSecret {
            credential_id: row.parsed(1, |text| CredentialId::parse(text).ok())?,
            pepper_version: row.int(2)?,
            sealed_secret_mac: row.blob(3)?.to_vec(),
            expires_at: row.int_or_null(4)?.map(Timestamp::from_micros),
        })
    })
}

/// What the decision to issue a token was made on.
pub(crate) struct Basis {
    pub(crate) org_version: i64,
    pub(crate) agent_id: AgentId,
    pub(crate) agent_version: i64,
    pub(crate) kid: String,
}

// Scalar subqueries and not a join: SQLite prepares the join anew at each execution.
const ISSUE_TOKEN: &str = "INSERT INTO audit_pending (organization_id, event_id, entry)
    SELECT ?1, ?2, ?3
    WHERE (SELECT version FROM organizations WHERE organization_id = ?1) = ?4
        AND (SELECT version FROM agents WHERE organization_id = ?1 AND agent_id = ?5) = ?6
        AND (SELECT state FROM signing_keys WHERE kid = ?7) = 'current'";

/// Records that a token is issued, if all that the decision was made on still stands. One statement
/// reads and writes, so a revocation that committed before it wins.
pub(crate) fn issue_token(
    tx: &mut dyn Tx,
    event_id: &EventId,
    entry: &str,
    basis: &Basis,
) -> Result<bool, StoreError> {
    let params = [
        Value::Text(event_id.as_str()),
        Value::Text(entry),
        Value::Int(basis.org_version),
        Value::Text(basis.agent_id.as_str()),
        Value::Int(basis.agent_version),
        Value::Text(&basis.kid),
    ];
    Ok(tx.execute(ISSUE_TOKEN, &params)? == 1)
}
