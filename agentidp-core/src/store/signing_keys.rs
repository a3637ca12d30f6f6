//! The instance's signing keys. They are read in the instance's scope and written in that of the
//! `system` organization, as all of the instance's own rows are.

use crate::base::Timestamp;
use crate::crypto::Alg;
use crate::model::{KeyPurpose, KeyState, SigningKey};

use super::{Row, StoreError, Tx, Value};

/// A key of the instance.
pub(crate) struct SigningKeyRow {
    pub(crate) key: SigningKey,
    pub(crate) public_jwk: String,
    /// Destroyed with the key's revocation.
    pub(crate) sealed_private_key: Option<Vec<u8>>,
}

const VERSION: &str = "SELECT keys_version FROM instance WHERE id = 1";

/// Counts the changes of all keys. Whoever has keys of another version reads them anew.
pub(crate) fn version(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    Ok(tx.row(VERSION, &[], |row| row.int(0))?.unwrap_or_default())
}

const IS_CURRENT: &str = "SELECT COUNT(*) FROM signing_keys WHERE kid = ?1 AND state = 'current'";

/// Whether the key of that name signs.
pub(crate) fn is_current(tx: &mut dyn Tx, kid: &str) -> Result<bool, StoreError> {
    Ok(tx.row(IS_CURRENT, &[Value::Text(kid)], |row| row.int(0))? == Some(1))
}

const COUNT_CHANGE: &str = "UPDATE instance SET keys_version = keys_version + 1
    WHERE id = 1 AND keys_version = ?2 AND ?1 = '00000000-0000-7000-8000-000000000000'";

/// Counts a change that was decided on at `version`. `false` when another change came first. One
/// change waits here for another to end, so that no two are made on the same reading.
pub(crate) fn count_change(tx: &mut dyn Tx, version: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(COUNT_CHANGE, &[Value::Int(version)])? == 1)
}

const INSERT: &str = "INSERT INTO signing_keys
        (kid, purpose, alg, state, public_jwk, sealed_private_key, created_at, current_at,
         signs_until)
    SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
    WHERE ?1 = '00000000-0000-7000-8000-000000000000'";

/// Stores a new key.
pub(crate) fn insert(tx: &mut dyn Tx, row: &SigningKeyRow) -> Result<(), StoreError> {
    let params = [
        Value::Text(&row.key.kid),
        Value::Text(row.key.purpose.as_str()),
        Value::Text(row.key.alg.as_str()),
        Value::Text(row.key.state.as_str()),
        Value::Text(&row.public_jwk),
        Value::Blob(row.sealed_private_key.as_deref().unwrap_or_default()),
        Value::Int(row.key.created_at.as_micros()),
        Value::int_or_null(row.key.current_at.map(Timestamp::as_micros)),
        Value::int_or_null(row.key.signs_until.map(Timestamp::as_micros)),
    ];
    tx.execute(INSERT, &params).map(|_| ())
}

const PROMOTE: &str = "UPDATE signing_keys SET state = 'current', current_at = ?3, signs_until = ?4
    WHERE kid = ?2 AND state = 'next' AND ?1 = '00000000-0000-7000-8000-000000000000'";

/// Lets a key that is next sign from `now` to `signs_until`.
pub(crate) fn promote(
    tx: &mut dyn Tx,
    kid: &str,
    now: Timestamp,
    signs_until: Timestamp,
) -> Result<bool, StoreError> {
    let params =
        [Value::Text(kid), Value::Int(now.as_micros()), Value::Int(signs_until.as_micros())];
    Ok(tx.execute(PROMOTE, &params)? == 1)
}

const EXTEND: &str = "UPDATE signing_keys
    SET signs_until = CASE WHEN signs_until > ?3 THEN signs_until ELSE ?3 END
    WHERE kid = ?2 AND state = 'current' AND ?1 = '00000000-0000-7000-8000-000000000000'";

/// Lets a key that is current sign until `signs_until` at least. `false` when it is not current.
pub(crate) fn extend(
    tx: &mut dyn Tx,
    kid: &str,
    signs_until: Timestamp,
) -> Result<bool, StoreError> {
    let params = [Value::Text(kid), Value::Int(signs_until.as_micros())];
    Ok(tx.execute(EXTEND, &params)? == 1)
}

const RETIRE: &str = "UPDATE signing_keys SET state = 'retired', retired_at = ?3
    WHERE kid = ?2 AND state = 'current' AND ?1 = '00000000-0000-7000-8000-000000000000'";

/// Lets a key that is current sign no more.
pub(crate) fn retire(tx: &mut dyn Tx, kid: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(RETIRE, &[Value::Text(kid), Value::Int(now.as_micros())])? == 1)
}

const REVOKE: &str = "UPDATE signing_keys
    SET state = 'revoked', revoked_at = ?3, sealed_private_key = NULL
    WHERE kid = ?2 AND state <> 'revoked' AND ?1 = '00000000-0000-7000-8000-000000000000'";

/// Withdraws a key and destroys its private half.
pub(crate) fn revoke(tx: &mut dyn Tx, kid: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(REVOKE, &[Value::Text(kid), Value::Int(now.as_micros())])? == 1)
}

const REMOVE: &str = "DELETE FROM signing_keys
    WHERE kid = ?2 AND state IN ('retired', 'revoked')
        AND ?1 = '00000000-0000-7000-8000-000000000000'";

/// Removes a key that no longer signs, private half and all.
pub(crate) fn remove(tx: &mut dyn Tx, kid: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(REMOVE, &[Value::Text(kid)])? == 1)
}

const ALL: &str = "SELECT kid, purpose, alg, state, created_at, current_at, retired_at, revoked_at,
        signs_until, public_jwk, sealed_private_key
    FROM signing_keys ORDER BY created_at, purpose, alg, kid";

/// All keys of the instance, the oldest first.
pub(crate) fn all(tx: &mut dyn Tx) -> Result<Vec<SigningKeyRow>, StoreError> {
    tx.rows(ALL, &[], |row| {
        Ok(SigningKeyRow {
            key: read(row)?,
            public_jwk: row.text(9)?.to_owned(),
            sealed_private_key: row.blob_or_null(10)?.map(<[u8]>::to_vec),
        })
    })
}

fn read(row: &dyn Row) -> Result<SigningKey, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.int_or_null(column)?.map(Timestamp::from_micros));
    Ok(SigningKey {
        kid: row.text(0)?.to_owned(),
        purpose: row.parsed(1, KeyPurpose::parse)?,
        alg: row.parsed(2, Alg::parse)?,
        state: row.parsed(3, KeyState::parse)?,
        created_at: Timestamp::from_micros(row.int(4)?),
        current_at: time(5)?,
        retired_at: time(6)?,
        revoked_at: time(7)?,
        signs_until: time(8)?,
    })
}
