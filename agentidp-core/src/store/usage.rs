//! Tokens issued in each calendar month.

use crate::base::Month;

use super::{StoreError, Tx, Value};

/// Counts more tokens of a month, unless that would be more than a limit: see `Tx::count_tokens`.
pub(super) const ADD: &str = "UPDATE token_usage SET issued = issued + ?3
    WHERE organization_id = ?1 AND month = ?2 AND issued + ?3 <= ?4";

/// Begins a month, unless somebody else has.
pub(super) const BEGIN: &str = "INSERT INTO token_usage (organization_id, month, issued)
    VALUES (?1, ?2, ?3) ON CONFLICT (organization_id, month) DO NOTHING";

const GIVE_BACK: &str = "UPDATE token_usage SET issued = issued - ?3
    WHERE organization_id = ?1 AND month = ?2 AND issued >= ?3";

/// Counts `count` tokens less: they were set aside and not issued.
pub(crate) fn give_back(tx: &mut dyn Tx, month: Month, count: i64) -> Result<(), StoreError> {
    let params = [Value::Int(month.as_int()), Value::Int(count)];
    tx.execute(GIVE_BACK, &params).map(|_| ())
}

#[cfg(feature = "sqlite")]
const COUNTED: &str = "SELECT organization_id, issued FROM token_usage
    WHERE organization_id = ?1 AND month = ?2";

/// Tokens of the month that its row counts: all but those of entries beyond the head of the log.
#[cfg(feature = "sqlite")]
pub(super) fn counted(tx: &mut dyn Tx, month: Month) -> Result<i64, StoreError> {
    let counted = tx.tenant_row(COUNTED, &[Value::Int(month.as_int())], |row| row.int(1))?;
    Ok(counted.unwrap_or(0))
}

const ISSUED: &str = "SELECT o.organization_id, u.issued, o.max_tokens_per_month,
        (SELECT COUNT(*) FROM audit_heads h
         JOIN audit_logs l ON l.log_number = h.log_number AND l.seq >= h.size
            AND l.organization_id = h.organization_id
         WHERE h.organization_id = ?1 AND l.counted_in = ?2)
    FROM organizations o
    LEFT JOIN token_usage u ON u.organization_id = o.organization_id AND u.month = ?2
    WHERE o.organization_id = ?1";

/// Tokens of the month that were issued or set aside, and how many may be. `None` when there is no
/// such organization.
pub(crate) fn issued(tx: &mut dyn Tx, month: Month) -> Result<Option<(i64, i64)>, StoreError> {
    tx.tenant_row(ISSUED, &[Value::Int(month.as_int())], |row| {
        Ok((row.int_or_null(1)?.unwrap_or(0) + row.int(3)?, row.int(2)?))
    })
}
