//! An organization's audit log and outbox. What is written there, `ops::journal` makes.

use crate::audit::genesis_hash;
use crate::base::EventId;

use super::instance::LogHead;
use super::{StoreError, Tx, Value};

const OPEN_LOG: &str =
    "INSERT INTO audit_heads (organization_id, size, hash, frontier) VALUES (?1, 0, ?2, ?3)";

/// Makes the empty log named `origin`.
pub(crate) fn open_log(tx: &mut dyn Tx, origin: &str) -> Result<(), StoreError> {
    let params = [Value::Blob(&genesis_hash(origin)), Value::Blob(&[])];
    tx.execute(OPEN_LOG, &params).map(|_| ())
}

const ENQUEUE: &str = "INSERT INTO outbox
        (organization_id, event_id, subscription_id, event_type, payload, created_at)
    SELECT ?1, ?2, s.subscription_id, ?3, ?4, ?5
    FROM subscriptions s
    JOIN subscription_events e
        ON e.organization_id = s.organization_id AND e.subscription_id = s.subscription_id
    WHERE s.organization_id = ?1 AND s.active = 1 AND e.event_type = ?3";

/// Writes a delivery for each subscription that asks for `event_type` now.
pub(crate) fn enqueue(
    tx: &mut dyn Tx,
    event_id: &EventId,
    event_type: &str,
    payload: &str,
    created_at: i64,
) -> Result<u64, StoreError> {
    let params = [
        Value::Text(event_id.as_str()),
        Value::Text(event_type),
        Value::Text(payload),
        Value::Int(created_at),
    ];
    tx.execute(ENQUEUE, &params)
}

const SUBSCRIBES: &str = "SELECT s.organization_id
    FROM subscriptions s
    JOIN subscription_events e
        ON e.organization_id = s.organization_id AND e.subscription_id = s.subscription_id
    WHERE s.organization_id = ?1 AND s.active = 1 AND e.event_type = ?2
    LIMIT 1";

/// Whether any subscription asks for `event_type`.
pub(crate) fn subscribes(tx: &mut dyn Tx, event_type: &str) -> Result<bool, StoreError> {
    Ok(tx.tenant_row(SUBSCRIBES, &[Value::Text(event_type)], |_| Ok(()))?.is_some())
}

const DISCLOSE: &str = "INSERT INTO audit_disclosures
        (organization_id, event_id, name, sealed_disclosure)
    VALUES (?1, ?2, ?3, ?4)";

/// Stores a personal value that an entry commits to.
pub(crate) fn disclose(
    tx: &mut dyn Tx,
    event_id: &EventId,
    name: &str,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let params = [Value::Text(event_id.as_str()), Value::Text(name), Value::Blob(sealed)];
    tx.execute(DISCLOSE, &params).map(|_| ())
}

/// Where an entry waits for its number, unless the engine keeps it in memory: see `Tx::append_entry`.
pub(super) const APPEND: &str =
    "INSERT INTO audit_pending (organization_id, event_id, entry) VALUES (?1, ?2, ?3)";

/// A row of the log.
pub(crate) struct LogRow {
    pub(crate) seq: u64,
    /// As it is stored: a damaged row may hold anything.
    pub(crate) event_id: String,
    pub(crate) entry: String,
    pub(crate) previous_hash: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

// Not a join with the heads: PostgreSQL does not see that there is one log, and sorts all of it for a page.
const ROWS_FROM: &str = "SELECT organization_id, seq, event_id, entry, previous_hash, hash
    FROM audit_logs
    WHERE log_number = (SELECT h.log_number FROM audit_heads h WHERE h.organization_id = ?1)
        AND organization_id = ?1 AND seq >= ?2
    ORDER BY seq LIMIT ?3";

/// Hands each row from number `from` on to `each`, in order, at most `limit` of them.
pub(crate) fn rows_from(
    tx: &mut dyn Tx,
    from: u64,
    limit: usize,
) -> Result<Vec<LogRow>, StoreError> {
    // There is no number beyond the largest.
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let params = [Value::Int(from), Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))];
    tx.tenant_rows(ROWS_FROM, &params, |row| {
        Ok(LogRow {
            seq: u64::try_from(row.int(1)?).map_err(|_| StoreError::Unreadable { column: 1 })?,
            event_id: row.text(2)?.to_owned(),
            entry: row.text(3)?.to_owned(),
            previous_hash: row.blob(4)?.to_vec(),
            hash: row.blob(5)?.to_vec(),
        })
    })
}

/// A row beyond the head.
#[cfg(feature = "sqlite")]
pub(super) struct RowBeyond {
    pub(super) seq: u64,
    pub(super) entry: String,
    pub(super) hash: Vec<u8>,
    /// The month (202611) in which it counts one more token.
    pub(super) counted_in: Option<i64>,
}

// The limit is `limits::HEAD_LAG_MAX`.
#[cfg(feature = "sqlite")]
const ENTRIES_BEYOND: &str = "SELECT organization_id, seq, entry, hash, counted_in
    FROM audit_logs WHERE organization_id = ?1 AND log_number = ?2 AND seq >= ?3 ORDER BY seq LIMIT 16";

/// The rows beyond `head`, in order, as many as there may be and one more.
#[cfg(feature = "sqlite")]
pub(super) fn entries_beyond(
    tx: &mut dyn Tx,
    head: &LogHead,
) -> Result<Vec<RowBeyond>, StoreError> {
    let params = [Value::Int(head.log_number), Value::Int(head.size)];
    tx.tenant_rows(ENTRIES_BEYOND, &params, |row| {
        Ok(RowBeyond {
            seq: u64::try_from(row.int(1)?).map_err(|_| StoreError::Unreadable { column: 1 })?,
            entry: row.text(2)?.to_owned(),
            hash: row.blob(3)?.to_vec(),
            counted_in: row.int_or_null(4)?,
        })
    })
}

const HEAD: &str = "SELECT organization_id, log_number, size, hash, frontier
    FROM audit_heads WHERE organization_id = ?1";

/// The end of the log, as it is stored.
pub(crate) fn head(tx: &mut dyn Tx) -> Result<Option<LogHead>, StoreError> {
    tx.tenant_row(HEAD, &[], |row| {
        Ok(LogHead {
            log_number: row.int(1)?,
            size: row.int(2)?,
            hash: row.blob(3)?.to_vec(),
            frontier: row.blob(4)?.to_vec(),
        })
    })
}
