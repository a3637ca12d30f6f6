//! The only statements that cross organizations, each under a row policy of its own: the directory
//! from public ids to tenants, the list of organizations, the sequencer's, and the purge of what is
//! kept for a while: revoked tokens, assertions and proofs that were used, answers to requests.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::audit::{Frontier, Hash};
use crate::base::{Month, OrgId, Timestamp};
use crate::model::Org;

use super::{StoreError, Tx, Value, orgs};

/// What a public id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicIdKind {
    /// An agent, by its id, which is also its `client_id`.
    Agent,
    /// An organization, by its slug.
    Slug,
}

impl PublicIdKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            PublicIdKind::Agent => "agent",
            PublicIdKind::Slug => "slug",
        }
    }
}

const ORGANIZATION_OF: &str =
    "SELECT organization_id FROM directory WHERE kind = ?1 AND public_id = ?2";

/// The organization that a public id belongs to.
pub(crate) fn organization_of(
    tx: &mut dyn Tx,
    kind: PublicIdKind,
    public_id: &str,
) -> Result<Option<OrgId>, StoreError> {
    let params = [Value::Text(kind.as_str()), Value::Text(public_id)];
    tx.row(ORGANIZATION_OF, &params, |row| row.parsed(0, |text| OrgId::parse(text).ok()))
}

const ORGANIZATIONS_FROM: &str = "SELECT organization_id, slug, name, plan_tier, max_agents,
        max_tokens_per_month, rate_limit_per_minute, status, version, created_at, updated_at,
        token_life_seconds_max
    FROM organizations WHERE organization_id >= ?1 ORDER BY organization_id LIMIT ?2";

/// The organizations from that id on, in the order of their ids, at most `limit` of them.
pub(crate) fn organizations_from(
    tx: &mut dyn Tx,
    from: Option<&OrgId>,
    limit: usize,
) -> Result<Vec<Org>, StoreError> {
    let from = from.map_or("", OrgId::as_str);
    let params = [Value::Text(from), Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))];
    tx.rows(ORGANIZATIONS_FROM, &params, orgs::read)
}

const ORGANIZATIONS_AFTER: &str =
    "SELECT organization_id FROM organizations WHERE organization_id > ?1
    ORDER BY organization_id LIMIT ?2";

/// The ids of at most `limit` organizations after that one, in their order.
pub(crate) fn organizations_after(
    tx: &mut dyn Tx,
    after: Option<&OrgId>,
    limit: usize,
) -> Result<Vec<OrgId>, StoreError> {
    let after = Value::Text(after.map_or("", OrgId::as_str));
    let params = [after, Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))];
    tx.rows(ORGANIZATIONS_AFTER, &params, |row| row.parsed(0, |text| OrgId::parse(text).ok()))
}

// The limit is `limits::PURGE_BATCH_MAX`.
const FORGET_EXPIRED_TOKENS: &str = "DELETE FROM revoked_tokens
    WHERE (organization_id, jti) IN
        (SELECT r.organization_id, r.jti FROM revoked_tokens r
         WHERE r.expires_at <= ?1 ORDER BY r.expires_at LIMIT 500)";

/// Forgets revoked tokens that nobody accepts any more, a batch of them.
pub(crate) fn forget_expired_tokens(tx: &mut dyn Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET_EXPIRED_TOKENS, &[Value::Int(now.as_micros())])
}

// The limit is `limits::PURGE_BATCH_MAX`.
const FORGET_EXPIRED_USES: &str = "DELETE FROM single_uses
    WHERE (organization_id, jti_hash) IN
        (SELECT u.organization_id, u.jti_hash FROM single_uses u
         WHERE u.expires_at <= ?1 ORDER BY u.expires_at LIMIT 500)";

/// Forgets assertions and proofs that nobody accepts any more, a batch of them.
pub(crate) fn forget_expired_uses(tx: &mut dyn Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET_EXPIRED_USES, &[Value::Int(now.as_micros())])
}

// The limit is `limits::PURGE_BATCH_MAX`.
const FORGET_EXPIRED_ANSWERS: &str = "DELETE FROM idempotency_keys
    WHERE (organization_id, caller, key_digest) IN
        (SELECT k.organization_id, k.caller, k.key_digest FROM idempotency_keys k
         WHERE k.expires_at <= ?1 ORDER BY k.expires_at LIMIT 500)";

/// Forgets answers that nobody may ask for again, a batch of them.
pub(crate) fn forget_expired_answers(tx: &mut dyn Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET_EXPIRED_ANSWERS, &[Value::Int(now.as_micros())])
}

/// An entry that has no number yet.
pub(super) struct PendingEntry {
    pub(super) organization_id: String,
    pub(super) event_id: String,
    pub(super) entry: String,
    /// The month in which it counts one more token, where nothing else does yet.
    pub(super) counted_in: Option<Month>,
}

#[cfg(feature = "postgres")]
const PUT_BACK: &str =
    "INSERT INTO audit_pending (organization_id, event_id, entry) VALUES (?1, ?2, ?3)";

#[cfg(feature = "postgres")]
const STOP_LOG: &str = "UPDATE audit_heads SET stopped = 1 WHERE organization_id = ?1";

/// Returns entries of a log that cannot be continued, and numbers no more of it until its head is
/// mended and `stopped` is 0 again.
#[cfg(feature = "postgres")]
pub(super) fn put_back(tx: &mut dyn Tx, entries: &[PendingEntry]) -> Result<(), StoreError> {
    if let Some(first) = entries.first() {
        tx.execute(STOP_LOG, &[Value::Text(&first.organization_id)])?;
    }
    for entry in entries {
        let params = [
            Value::Text(&entry.organization_id),
            Value::Text(&entry.event_id),
            Value::Text(&entry.entry),
        ];
        tx.execute(PUT_BACK, &params)?;
    }
    Ok(())
}

/// A log is overrun when it holds a number that its head calls free, or an entry that still waits for
/// one: the head was put back to an older state, or the entry was.
#[cfg(feature = "postgres")]
const STOP_OVERRUN_LOGS: &str = "UPDATE audit_heads SET stopped = 1
    WHERE stopped = 0 AND organization_id IN (SELECT organization_id FROM audit_pending)
        AND (EXISTS (SELECT 1 FROM audit_logs l
                WHERE l.log_number = audit_heads.log_number AND l.seq >= audit_heads.size)
            OR EXISTS (SELECT 1 FROM audit_pending p
                JOIN audit_logs l ON l.event_id = p.event_id AND l.log_number = audit_heads.log_number
                WHERE p.organization_id = audit_heads.organization_id))";

/// Stops each log whose pending entries the log itself would refuse.
#[cfg(feature = "postgres")]
pub(super) fn stop_overrun_logs(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute(STOP_OVERRUN_LOGS, &[]).map(|_| ())
}

/// The end of a log.
pub(crate) struct LogHead {
    pub(crate) log_number: i64,
    pub(crate) size: i64,
    pub(crate) hash: Vec<u8>,
    pub(crate) frontier: Vec<u8>,
}

impl LogHead {
    /// The right edge of the tree, if what is stored can be one.
    pub(crate) fn frontier(&self) -> Result<Frontier, StoreError> {
        let size = u64::try_from(self.size).map_err(|_| StoreError::BrokenHead)?;
        Frontier::from_bytes(size, &self.frontier).map_err(|_| StoreError::BrokenHead)
    }
}

#[cfg(feature = "postgres")]
const LOG_HEADS: &str = "SELECT organization_id, log_number, size, hash, frontier
    FROM audit_heads WHERE organization_id IN (?1)";

#[cfg(feature = "postgres")]
static LOG_HEADS_OF_MANY: LazyLock<Steps> =
    LazyLock::new(|| Steps::new(|rows| LOG_HEADS.replace("?1", &parameters(0, rows))));

/// The ends of the logs of `organizations`, in no order. One that has no log is left out.
#[cfg(feature = "postgres")]
pub(super) fn log_heads(
    tx: &mut dyn Tx,
    organizations: &[&str],
) -> Result<Vec<(String, LogHead)>, StoreError> {
    let mut heads = Vec::with_capacity(organizations.len());
    for (sql, chunk) in LOG_HEADS_OF_MANY.over(organizations, usize::MAX) {
        let params: Vec<Value<'_>> = chunk.iter().map(|id| Value::Text(id)).collect();
        heads.extend(tx.rows(sql, &params, |row| {
            let head = LogHead {
                log_number: row.int(1)?,
                size: row.int(2)?,
                hash: row.blob(3)?.to_vec(),
                frontier: row.blob(4)?.to_vec(),
            };
            Ok((row.text(0)?.to_owned(), head))
        })?);
    }
    Ok(heads)
}

/// Every row is there already: this form moves many heads by one statement.
const MOVE_HEADS: &str =
    "INSERT INTO audit_heads (organization_id, log_number, size, hash, frontier)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (log_number) DO UPDATE
        SET size = excluded.size, hash = excluded.hash, frontier = excluded.frontier";

static MOVE_MANY_HEADS: LazyLock<Steps> = LazyLock::new(|| Steps::of_rows(MOVE_HEADS, 5));

pub(super) fn move_heads(tx: &mut dyn Tx, heads: &[(&str, LogHead)]) -> Result<(), StoreError> {
    for (sql, chunk) in MOVE_MANY_HEADS.over(heads, tx.rows_at_once()) {
        let params: Vec<Value<'_>> = chunk
            .iter()
            .flat_map(|(organization, head)| {
                [
                    Value::Text(organization),
                    Value::Int(head.log_number),
                    Value::Int(head.size),
                    Value::Blob(&head.hash),
                    Value::Blob(&head.frontier),
                ]
            })
            .collect();
        tx.execute(sql, &params)?;
    }
    Ok(())
}

#[cfg(feature = "sqlite")]
const COUNT_TOKENS: &str = "INSERT INTO token_usage (organization_id, month, issued)
    VALUES (?1, ?2, ?3)
    ON CONFLICT (organization_id, month) DO UPDATE SET issued = token_usage.issued + excluded.issued";

/// Counts the tokens that each organization has issued more in a month, written as 202611.
#[cfg(feature = "sqlite")]
pub(super) fn count_tokens(tx: &mut dyn Tx, issued: &[(&str, i64, i64)]) -> Result<(), StoreError> {
    for (organization, month, count) in issued {
        let params = [Value::Text(organization), Value::Int(*month), Value::Int(*count)];
        tx.execute(COUNT_TOKENS, &params)?;
    }
    Ok(())
}

/// An entry with its number and its links.
pub(super) struct NumberedEntry<'a> {
    pub(super) log_number: i64,
    pub(super) seq: u64,
    pub(super) entry: &'a PendingEntry,
    pub(super) previous_hash: Hash,
    pub(super) hash: Hash,
}

const INSERT_ENTRY: &str = "INSERT INTO audit_logs
        (organization_id, log_number, seq, event_id, entry, previous_hash, hash, counted_in)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

static INSERT_ENTRIES: LazyLock<Steps> = LazyLock::new(|| Steps::of_rows(INSERT_ENTRY, 8));

/// Writes entries with their numbers.
///
/// # Errors
/// [`StoreError::BrokenHead`] where the log has such a number already, or the entry: the head it was
/// continued from is one that was true once.
pub(super) fn insert_entries(
    tx: &mut dyn Tx,
    entries: &[NumberedEntry<'_>],
) -> Result<(), StoreError> {
    for (sql, chunk) in INSERT_ENTRIES.over(entries, tx.rows_at_once()) {
        let params: Vec<Value<'_>> = chunk.iter().flat_map(entry_params).collect();
        tx.execute(sql, &params).map_err(|error| match error {
            StoreError::Constraint(_) => StoreError::BrokenHead,
            other => other,
        })?;
    }
    Ok(())
}

fn entry_params<'a>(numbered: &'a NumberedEntry<'a>) -> [Value<'a>; 8] {
    [
        Value::Text(&numbered.entry.organization_id),
        Value::Int(numbered.log_number),
        Value::Int(to_int(numbered.seq)),
        Value::Text(&numbered.entry.event_id),
        Value::Text(&numbered.entry.entry),
        Value::Blob(&numbered.previous_hash),
        Value::Blob(&numbered.hash),
        Value::int_or_null(numbered.entry.counted_in.map(Month::as_int)),
    ]
}

/// One statement in forms for several numbers of rows: PostgreSQL pays for round trips, and a form
/// for every number would crowd the statements that connections keep prepared.
struct Steps([&'static str; STEPS.len()]);

/// How many rows the forms take, the most first.
const STEPS: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];

impl Steps {
    fn new(form: impl Fn(usize) -> String) -> Steps {
        Steps(STEPS.map(|rows| &*form(rows).leak()))
    }

    /// The forms of an INSERT whose one row `(?1, .., ?width)` stands for each.
    fn of_rows(sql: &'static str, width: usize) -> Steps {
        let one = format!("({})", parameters(0, width));
        Steps::new(|rows| {
            let mut many = String::new();
            for row in 0..rows {
                let comma = if row == 0 { "" } else { ", " };
                let _ = write!(many, "{comma}({})", parameters(row * width, width));
            }
            sql.replace(&one, &many)
        })
    }

    /// `items` in as few chunks as the forms and `rows_max` allow, each with its statement.
    fn over<'s, T>(
        &'s self,
        mut items: &'s [T],
        rows_max: usize,
    ) -> impl Iterator<Item = (&'static str, &'s [T])> {
        std::iter::from_fn(move || {
            let mut forms = STEPS.into_iter().zip(self.0);
            let (rows, sql) = forms.find(|(rows, _)| *rows <= items.len().min(rows_max))?;
            let (chunk, rest) = items.split_at_checked(rows)?;
            items = rest;
            Some((sql, chunk))
        })
    }
}

/// `?N, ?N+1, ..`: `count` parameters after the first `from`.
fn parameters(from: usize, count: usize) -> String {
    let mut list = String::new();
    for at in 1..=count {
        let comma = if at == 1 { "" } else { ", " };
        let _ = write!(list, "{comma}?{}", from + at);
    }
    list
}

fn to_int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_take_few_statements_and_none_is_left_out() {
        let steps = Steps::of_rows("INSERT INTO t VALUES (?1, ?2)", 2);
        let items: Vec<usize> = (0..301).collect();
        let sizes: Vec<usize> =
            steps.over(&items, usize::MAX).map(|(_, chunk)| chunk.len()).collect();
        assert_eq!(sizes, [128, 128, 32, 8, 4, 1]);
        let all: Vec<usize> =
            steps.over(&items, usize::MAX).flat_map(|(_, chunk)| chunk.to_vec()).collect();
        assert_eq!(all, items);
        assert_eq!(steps.over(&items[..0], 1).count(), 0);
        let (sql, _) = steps.over(&items[..8], usize::MAX).next().unwrap();
        assert!(sql.starts_with("INSERT INTO t VALUES (?1, ?2), (?3, ?4), "), "{sql}");
        assert!(sql.ends_with("(?15, ?16)"), "{sql}");
    }
}
