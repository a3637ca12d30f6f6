//! Credentials of agents, and the guarded insert that issues a token by one.

use crate::base::{AgentId, CredentialId, EventId, LastSeen, Timestamp, limits};
use crate::jose::Jwk;
use crate::model::{
    ClientKey, Credential, CredentialKind, CredentialStatus, ProvenBy, SecretScheme,
};

use super::{Row, StoreError, Tx, Value};

/// What a credential keeps of its secret.
pub(crate) struct SecretRow<'a> {
    pub(crate) scheme: SecretScheme,
    pub(crate) pepper_version: i64,
    pub(crate) sealed_secret_mac: &'a [u8],
}

const INSERT_SECRET: &str = "INSERT INTO credentials
        (organization_id, credential_id, agent_id, kind, status, scheme, pepper_version,
         sealed_secret_mac, expires_at, created_at)
    VALUES (?1, ?2, ?3, 'secret', ?4, ?5, ?6, ?7, ?8, ?9)";

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
        Value::Text(secret.scheme.as_str()),
        Value::Int(secret.pepper_version),
        Value::Blob(secret.sealed_secret_mac),
        Value::int_or_null(credential.expires_at.map(Timestamp::as_micros)),
        Value::Int(credential.created_at.as_micros()),
    ];
    tx.execute(INSERT_SECRET, &params).map(|_| ())
}

const INSERT_PUBLIC_KEY: &str = "INSERT INTO credentials
        (organization_id, credential_id, agent_id, kind, status, kid, public_jwk, expires_at,
         created_at)
    VALUES (?1, ?2, ?3, 'public_key', ?4, ?5, ?6, ?7, ?8)";

/// Stores a credential with a public key.
pub(crate) fn insert_public_key(
    tx: &mut dyn Tx,
    credential: &Credential,
    public_jwk: &str,
) -> Result<(), StoreError> {
    let params = [
        Value::Text(credential.id.as_str()),
        Value::Text(credential.client_id.as_str()),
        Value::Text(credential.status.as_str()),
        Value::text_or_null(credential.kid.as_deref()),
        Value::Text(public_jwk),
        Value::int_or_null(credential.expires_at.map(Timestamp::as_micros)),
        Value::Int(credential.created_at.as_micros()),
    ];
    tx.execute(INSERT_PUBLIC_KEY, &params).map(|_| ())
}

const GET: &str = "SELECT organization_id, credential_id, agent_id, kind, status, kid, expires_at,
        created_at
    FROM credentials WHERE organization_id = ?1 AND credential_id = ?2";

/// The credential of that id, without what is kept of its secret.
pub(crate) fn get(tx: &mut dyn Tx, id: &CredentialId) -> Result<Option<Credential>, StoreError> {
    tx.tenant_row(GET, &[Value::Text(id.as_str())], read)
}

const LIST: &str = "SELECT organization_id, credential_id, agent_id, kind, status, kid, expires_at,
        created_at
    FROM credentials WHERE organization_id = ?1 AND agent_id = ?2 AND credential_id > ?3
    ORDER BY credential_id LIMIT ?4";

/// At most `count` credentials of the agent whose ids come after `after`, in the order of their ids.
pub(crate) fn list(
    tx: &mut dyn Tx,
    agent: &AgentId,
    after: Option<&CredentialId>,
    count: usize,
) -> Result<Vec<Credential>, StoreError> {
    let params = [
        Value::Text(agent.as_str()),
        Value::Text(after.map_or("", CredentialId::as_str)),
        Value::Int(i64::try_from(count).unwrap_or(i64::MAX)),
    ];
    tx.tenant_rows(LIST, &params, read)
}

fn read(row: &dyn Row) -> Result<Credential, StoreError> {
    Ok(Credential {
        id: row.parsed(1, |text| CredentialId::parse(text).ok())?,
        client_id: row.parsed(2, |text| AgentId::parse(text).ok())?,
        kind: row.parsed(3, CredentialKind::parse)?,
        status: row.parsed(4, CredentialStatus::parse)?,
        kid: row.text_or_null(5)?.map(str::to_owned),
        expires_at: row.int_or_null(6)?.map(Timestamp::from_micros),
        created_at: Timestamp::from_micros(row.int(7)?),
    })
}

const LIVE_KEY_IDS: &str = "SELECT organization_id, kid FROM credentials
    WHERE organization_id = ?1 AND agent_id = ?2 AND kind = 'public_key' AND status = 'active'
        AND (expires_at IS NULL OR expires_at > ?3)";

/// The names of the agent's public keys that have neither been revoked nor expired.
pub(crate) fn live_key_ids(
    tx: &mut dyn Tx,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.tenant_rows(LIVE_KEY_IDS, &params, |row| row.text(1).map(str::to_owned))
}

const EXPIRE: &str = "UPDATE credentials SET expires_at = ?3
    WHERE organization_id = ?1 AND credential_id = ?2 AND status = 'active'
        AND (expires_at IS NULL OR expires_at > ?3)";

/// Lets the credential expire at `expires_at`, if it does not before.
pub(crate) fn expire(
    tx: &mut dyn Tx,
    id: &CredentialId,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let params = [Value::Text(id.as_str()), Value::Int(expires_at.as_micros())];
    tx.execute(EXPIRE, &params).map(|_| ())
}

const REVOKE: &str = "UPDATE credentials SET status = 'revoked', sealed_secret_mac = NULL
    WHERE organization_id = ?1 AND credential_id = ?2 AND status = 'active'";

/// Revokes the credential, and forgets what is kept of its secret. `false` when it was revoked
/// before.
pub(crate) fn revoke(tx: &mut dyn Tx, id: &CredentialId) -> Result<bool, StoreError> {
    Ok(tx.execute(REVOKE, &[Value::Text(id.as_str())])? == 1)
}

const REVOKE_ALL: &str = "UPDATE credentials SET status = 'revoked', sealed_secret_mac = NULL
    WHERE organization_id = ?1 AND agent_id = ?2 AND status = 'active'";

/// Revokes all credentials of the agent.
pub(crate) fn revoke_all(tx: &mut dyn Tx, agent: &AgentId) -> Result<(), StoreError> {
    tx.execute(REVOKE_ALL, &[Value::Text(agent.as_str())]).map(|_| ())
}

// The limit is above `limits::LIVE_PUBLIC_KEYS_MAX`.
const LIVE_KEYS: &str = "SELECT organization_id, credential_id, kid, public_jwk, expires_at
    FROM credentials
    WHERE organization_id = ?1 AND agent_id = ?2 AND kind = 'public_key' AND status = 'active'
        AND (expires_at IS NULL OR expires_at > ?3)
    ORDER BY credential_id LIMIT 32";

const _: () = assert!(limits::LIVE_PUBLIC_KEYS_MAX <= 32);

/// The agent's public keys that have neither been revoked nor expired.
pub(crate) fn live_keys(
    tx: &mut dyn Tx,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Vec<ClientKey>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.tenant_rows(LIVE_KEYS, &params, |row| {
        let id = row.parsed(1, |text| CredentialId::parse(text).ok())?;
        Ok(ClientKey {
            proven_by: ProvenBy::Credential(id),
            kid: row.text(2)?.to_owned(),
            key: row.parsed(3, |text| Jwk::parse(text.as_bytes()).ok())?.key().clone(),
            expires_at: row.int_or_null(4)?.map(Timestamp::from_micros),
        })
    })
}

// The limit of the statement below.
const _: () = assert!(limits::LIVE_SECRETS_MAX <= 10);

/// A live secret of an agent.
pub(crate) struct LiveSecret {
    pub(crate) credential_id: CredentialId,
    pub(crate) scheme: SecretScheme,
    pub(crate) pepper_version: i64,
    pub(crate) sealed_secret_mac: Vec<u8>,
    pub(crate) expires_at: Option<Timestamp>,
}

const LIVE_SECRETS: &str = "SELECT organization_id, credential_id, scheme, pepper_version,
        sealed_secret_mac, expires_at
    FROM credentials
    WHERE organization_id = ?1 AND agent_id = ?2 AND kind = 'secret' AND status = 'active'
        AND (expires_at IS NULL OR expires_at > ?3)
    ORDER BY COALESCE(expires_at, 9223372036854775807) DESC, credential_id LIMIT 10";

/// The agent's secrets that have neither been revoked nor expired by `now`, those that live longest
/// first. There are at most `limits::LIVE_SECRETS_MAX` of them; where `now` lies in the past, a few of
/// those that have expired since come after.
pub(crate) fn live_secrets(
    tx: &mut dyn Tx,
    agent: &AgentId,
    now: Timestamp,
) -> Result<Vec<LiveSecret>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Int(now.as_micros())];
    tx.tenant_rows(LIVE_SECRETS, &params, |row| {
        Ok(LiveSecret {
            credential_id: row.parsed(1, |text| CredentialId::parse(text).ok())?,
            scheme: row.parsed(2, SecretScheme::parse)?,
            pepper_version: row.int(3)?,
            sealed_secret_mac: row.blob(4)?.to_vec(),
            expires_at: row.int_or_null(5)?.map(Timestamp::from_micros),
        })
    })
}

const EXPIRING: &str = "SELECT organization_id, COUNT(*) FROM credentials
    WHERE organization_id = ?1 AND status = 'active' AND expires_at > ?2 AND expires_at <= ?3
    GROUP BY organization_id";

/// How many credentials expire after `now`, and by `until`.
pub(crate) fn expiring(
    tx: &mut dyn Tx,
    now: Timestamp,
    until: Timestamp,
) -> Result<i64, StoreError> {
    let params = [Value::Int(now.as_micros()), Value::Int(until.as_micros())];
    Ok(tx.tenant_row(EXPIRING, &params, |row| row.int(1))?.unwrap_or(0))
}

/// What the decision to issue a token was made on.
pub(crate) struct Basis {
    pub(crate) org_version: i64,
    pub(crate) agent_id: AgentId,
    pub(crate) agent_version: i64,
    pub(crate) kid: String,
    pub(crate) client_last_seen: LastSeen,
    pub(crate) key_last_seen: LastSeen,
}

impl Basis {
    /// What the statements below take from `?2` on.
    fn params(&self) -> [Value<'_>; 4] {
        [
            Value::Int(self.org_version),
            Value::Text(self.agent_id.as_str()),
            Value::Int(self.agent_version),
            Value::Text(&self.kid),
        ]
    }

    /// Whether it still stands. That is read only where somebody may have changed it since it was seen to.
    fn stands(&self, tx: &mut dyn Tx) -> Result<bool, StoreError> {
        let seen = [&self.client_last_seen, &self.key_last_seen];
        let epoch = tx.epoch();
        if epoch.is_some_and(|epoch| seen.iter().all(|seen| seen.is_in(epoch))) {
            return Ok(true);
        }
        let stands = tx.tenant_row(STANDS, &self.params(), |_| Ok(()))?.is_some();
        if let Some(epoch) = epoch.filter(|_| stands) {
            seen.iter().for_each(|seen| seen.note(epoch));
        }
        Ok(stands)
    }
}

const STANDS: &str = "SELECT ?1
    WHERE (SELECT version FROM organizations WHERE organization_id = ?1) = ?2
        AND (SELECT version FROM agents WHERE organization_id = ?1 AND agent_id = ?3) = ?4
        AND (SELECT state FROM signing_keys WHERE kid = ?5) = 'current'";

const ISSUE_TOKEN: &str = "INSERT INTO audit_pending (organization_id, event_id, entry)
    SELECT ?1, ?6, ?7
    WHERE (SELECT version FROM organizations WHERE organization_id = ?1) = ?2
        AND (SELECT version FROM agents WHERE organization_id = ?1 AND agent_id = ?3) = ?4
        AND (SELECT state FROM signing_keys WHERE kid = ?5) = 'current'";

/// Records that a token is issued, if all that the decision was made on still stands. Where others may
/// commit in between, one statement reads and writes: a revocation that committed before it wins.
pub(crate) fn issue_token(
    tx: &mut dyn Tx,
    event_id: &EventId,
    entry: &str,
    basis: &Basis,
) -> Result<bool, StoreError> {
    if !tx.writes_alone() {
        let [org, agent, version, kid] = basis.params();
        let (event_id, entry) = (Value::Text(event_id.as_str()), Value::Text(entry));
        return Ok(tx.execute(ISSUE_TOKEN, &[org, agent, version, kid, event_id, entry])? == 1);
    }
    let stands = basis.stands(tx)?;
    if stands {
        tx.append_entry(event_id.as_str(), entry)?;
    }
    Ok(stands)
}
