//! What an agent's rows say of its tokens, the tokens that were revoked one by one, and the assertions
//! and proofs that were used.

use crate::base::{AgentId, Jti, Timestamp};
use crate::model::TokenTerms;

use super::{StoreError, Tx, Value};

/// What a token is made by, and where its agent is called.
pub(crate) struct TermsRow {
    pub(crate) terms: TokenTerms,
    pub(crate) url: Option<String>,
}

const TERMS: &str = "SELECT a.organization_id, a.url, a.token_life_seconds_max,
        a.tokens_not_before, o.token_life_seconds_max, o.tokens_not_before, o.max_tokens_per_month,
        o.rate_limit_per_minute
    FROM agents a
    JOIN organizations o ON o.organization_id = a.organization_id
    WHERE a.organization_id = ?1 AND a.agent_id = ?2";

/// What the agent's rows and its organization's say of the tokens that it gets.
pub(crate) fn terms(tx: &mut dyn Tx, agent: &AgentId) -> Result<Option<TermsRow>, StoreError> {
    tx.tenant_row(TERMS, &[Value::Text(agent.as_str())], |row| {
        let terms = TokenTerms {
            agent_life_seconds_max: row.int_or_null(2)?,
            org_life_seconds_max: row.int_or_null(4)?,
            not_before: Timestamp::from_micros(row.int(3)?.max(row.int(5)?)),
            per_month_max: row.int(6)?,
            per_minute_max: row.int(7)?,
        };
        Ok(TermsRow { terms, url: row.text_or_null(1)?.map(str::to_owned) })
    })
}

const REVOKE: &str = "INSERT INTO revoked_tokens (organization_id, jti, expires_at)
    VALUES (?1, ?2, ?3) ON CONFLICT (organization_id, jti) DO NOTHING";

/// Remembers until `expires_at` that a token was revoked. `false` when that is known already.
pub(crate) fn revoke(
    tx: &mut dyn Tx,
    jti: &Jti,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let params = [Value::Text(jti.as_str()), Value::Int(expires_at.as_micros())];
    Ok(tx.execute(REVOKE, &params)? == 1)
}

// The limit is `limits::PURGE_BATCH_MAX`.
const FORGET_EXPIRED: &str = "DELETE FROM revoked_tokens
    WHERE organization_id = ?1 AND jti IN
        (SELECT r.jti FROM revoked_tokens r
         WHERE r.organization_id = ?1 AND r.expires_at <= ?2 ORDER BY r.expires_at LIMIT 500)";

/// Forgets revoked tokens of the organization that nobody accepts any more, a batch of them.
pub(crate) fn forget_expired(tx: &mut dyn Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET_EXPIRED, &[Value::Int(now.as_micros())])
}

const USE_ONCE: &str = "INSERT INTO single_uses (organization_id, jti_hash, expires_at)
    VALUES (?1, ?2, ?3) ON CONFLICT (organization_id, jti_hash) DO NOTHING";

/// Remembers until `expires_at` that an assertion or a proof was used. `false` when it was before.
pub(crate) fn use_once(
    tx: &mut dyn Tx,
    jti_hash: &[u8; 32],
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let params = [Value::Blob(jti_hash), Value::Int(expires_at.as_micros())];
    Ok(tx.execute(USE_ONCE, &params)? == 1)
}
