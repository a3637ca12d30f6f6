//! Requests that were made under a key of their caller's.

use crate::base::Timestamp;

use super::{StoreError, Tx, Value};

/// Which use of a key: its organization is the transaction's.
#[derive(Clone, Copy)]
pub(crate) struct KeyUse<'a> {
    pub(crate) caller: &'a str,
    pub(crate) key_digest: &'a [u8],
}

/// How far the request is that a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseState {
    /// It runs, or was cut off.
    Running,
    /// It has its answer.
    Answered,
}

impl UseState {
    fn as_str(self) -> &'static str {
        match self {
            UseState::Running => "running",
            UseState::Answered => "answered",
        }
    }

    fn parse(text: &str) -> Option<UseState> {
        [UseState::Running, UseState::Answered].into_iter().find(|state| state.as_str() == text)
    }
}

/// What is kept of a request.
pub(crate) struct UseRow {
    pub(crate) state: UseState,
    pub(crate) sealed_answer: Vec<u8>,
}

const GET: &str = "SELECT organization_id, state, sealed_answer FROM idempotency_keys
    WHERE organization_id = ?1 AND caller = ?2 AND key_digest = ?3 AND expires_at > ?4";

/// What the key was used for, if that is not long ago.
pub(crate) fn get(
    tx: &mut dyn Tx,
    key: KeyUse<'_>,
    now: Timestamp,
) -> Result<Option<UseRow>, StoreError> {
    let params =
        [Value::Text(key.caller), Value::Blob(key.key_digest), Value::Int(now.as_micros())];
    tx.tenant_row(GET, &params, |row| {
        let state = row.parsed(1, UseState::parse)?;
        Ok(UseRow { state, sealed_answer: row.blob(2)?.to_vec() })
    })
}

// The limit is `limits::IDEMPOTENCY_KEYS_MAX`: they are counted no further.
const LIVE: &str = "SELECT o.organization_id,
        (SELECT COUNT(*) FROM (SELECT k.caller FROM idempotency_keys k
            WHERE k.organization_id = ?1 AND k.expires_at > ?2 LIMIT 10000) live)
    FROM organizations o WHERE o.organization_id = ?1";

/// How many keys of the organization are in use.
pub(crate) fn live(tx: &mut dyn Tx, now: Timestamp) -> Result<usize, StoreError> {
    let live = tx.tenant_row(LIVE, &[Value::Int(now.as_micros())], |row| row.int(1))?;
    Ok(live.and_then(|live| usize::try_from(live).ok()).unwrap_or(0))
}

const CLAIM: &str = "INSERT INTO idempotency_keys
        (organization_id, caller, key_digest, state, sealed_answer, expires_at)
    VALUES (?1, ?2, ?3, 'running', ?4, ?5)
    ON CONFLICT (organization_id, caller, key_digest) DO UPDATE
        SET state = excluded.state, sealed_answer = excluded.sealed_answer,
            expires_at = excluded.expires_at
        WHERE idempotency_keys.expires_at <= ?6";

/// Takes the key for a request that begins `now`. `false` when another one has it.
pub(crate) fn claim(
    tx: &mut dyn Tx,
    key: KeyUse<'_>,
    sealed_request: &[u8],
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let params = [
        Value::Text(key.caller),
        Value::Blob(key.key_digest),
        Value::Blob(sealed_request),
        Value::Int(expires_at.as_micros()),
        Value::Int(now.as_micros()),
    ];
    Ok(tx.execute(CLAIM, &params)? == 1)
}

const ANSWER: &str = "UPDATE idempotency_keys SET state = 'answered', sealed_answer = ?5
    WHERE organization_id = ?1 AND caller = ?2 AND key_digest = ?3 AND expires_at = ?4
        AND state = 'running'";

/// Keeps the answer of the request that took the key until `expires_at`.
pub(crate) fn answer(
    tx: &mut dyn Tx,
    key: KeyUse<'_>,
    expires_at: Timestamp,
    sealed_answer: &[u8],
) -> Result<bool, StoreError> {
    let params = [
        Value::Text(key.caller),
        Value::Blob(key.key_digest),
        Value::Int(expires_at.as_micros()),
        Value::Blob(sealed_answer),
    ];
    Ok(tx.execute(ANSWER, &params)? == 1)
}

const RELEASE: &str = "DELETE FROM idempotency_keys
    WHERE organization_id = ?1 AND caller = ?2 AND key_digest = ?3 AND expires_at = ?4
        AND state = 'running'";

/// Gives the key back that a request took until `expires_at`, which did nothing.
pub(crate) fn release(
    tx: &mut dyn Tx,
    key: KeyUse<'_>,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let params =
        [Value::Text(key.caller), Value::Blob(key.key_digest), Value::Int(expires_at.as_micros())];
    Ok(tx.execute(RELEASE, &params)? == 1)
}
