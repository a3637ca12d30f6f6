//! The only statements that cross organizations, each under a row policy of its own: the directory
//! from public ids to tenants, and the sequencer's.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::audit::Hash;
use crate::base::OrgId;

use super::{Row, StoreError, Tx, Value};

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

/// An entry that has no number yet.
pub(super) struct PendingEntry {
    pub(super) organization_id: String,
    pub(super) event_id: String,
    pub(super) entry: String,
}

/// Who else may be writing pending entries while they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Nobody: the entries are those of the transaction itself.
    #[cfg(feature = "sqlite")]
    None,
    /// Other transactions, which commit when they like.
    #[cfg(feature = "postgres")]
    Others,
}

// The limit is `limits::SEQUENCE_BATCH_MAX`, written out: SQLite prepares a statement anew whenever a
// parameter of its LIMIT is bound.
#[cfg(feature = "postgres")]
const TAKE_PENDING: &str = "DELETE FROM audit_pending
    WHERE (organization_id, event_id) IN
        (SELECT organization_id, event_id FROM audit_pending
         ORDER BY organization_id, event_id LIMIT 1024)
    RETURNING organization_id, event_id, entry";

#[cfg(feature = "sqlite")]
const ALL_PENDING: &str = "SELECT organization_id, event_id, entry FROM audit_pending";

#[cfg(feature = "sqlite")]
const FORGET_ALL_PENDING: &str = "DELETE FROM audit_pending";

/// Takes pending entries out of the table, ordered by organization and event.
pub(super) fn take_pending(
    tx: &mut dyn Tx,
    company: Company,
) -> Result<Vec<PendingEntry>, StoreError> {
    let mut taken = match company {
        #[cfg(feature = "postgres")]
        Company::Others => tx.rows(TAKE_PENDING, &[], read_pending)?,
        #[cfg(feature = "sqlite")]
        Company::None => {
            let all = tx.rows(ALL_PENDING, &[], read_pending)?;
            if !all.is_empty() {
                tx.execute(FORGET_ALL_PENDING, &[])?;
            }
            all
        }
    };
    // Neither statement promises an order.
    taken.sort_unstable_by(|a, b| {
        (&a.organization_id, &a.event_id).cmp(&(&b.organization_id, &b.event_id))
    });
    Ok(taken)
}

fn read_pending(row: &dyn Row) -> Result<PendingEntry, StoreError> {
    Ok(PendingEntry {
        organization_id: row.text(0)?.to_owned(),
        event_id: row.text(1)?.to_owned(),
        entry: row.text(2)?.to_owned(),
    })
}

/// The end of a log.
pub(crate) struct LogHead {
    pub(crate) size: u64,
    pub(crate) hash: Vec<u8>,
    pub(crate) frontier: Vec<u8>,
}

const LOG_HEAD: &str = "SELECT size, hash, frontier FROM audit_heads WHERE organization_id = ?1";

pub(super) fn log_head(tx: &mut dyn Tx, organization: &str) -> Result<Option<LogHead>, StoreError> {
    tx.row(LOG_HEAD, &[Value::Text(organization)], |row| {
        Ok(LogHead {
            size: u64::try_from(row.int(0)?).map_err(|_| StoreError::BrokenHead)?,
            hash: row.blob(1)?.to_vec(),
            frontier: row.blob(2)?.to_vec(),
        })
    })
}

const MOVE_HEAD: &str =
    "UPDATE audit_heads SET size = ?2, hash = ?3, frontier = ?4 WHERE organization_id = ?1";

pub(super) fn move_head(
    tx: &mut dyn Tx,
    organization: &str,
    head: &LogHead,
) -> Result<(), StoreError> {
    let params = [
        Value::Text(organization),
        Value::Int(to_int(head.size)),
        Value::Blob(&head.hash),
        Value::Blob(&head.frontier),
    ];
    tx.execute(MOVE_HEAD, &params).map(|_| ())
}

/// An entry with its number and its links.
pub(super) struct NumberedEntry<'a> {
    pub(super) seq: u64,
    pub(super) entry: &'a PendingEntry,
    pub(super) previous_hash: Hash,
    pub(super) hash: Hash,
}

const INSERT_ENTRY: &str =
    "INSERT INTO audit_logs (organization_id, seq, event_id, entry, previous_hash, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Rows of the statement that inserts many: PostgreSQL pays for round trips.
const ENTRIES_AT_ONCE: usize = 32;

static INSERT_ENTRIES: LazyLock<&'static str> = LazyLock::new(|| {
    let mut sql = INSERT_ENTRY.to_owned();
    for row in 1..ENTRIES_AT_ONCE {
        let at = row * 6;
        let _ = write!(
            sql,
            ", (?{}, ?{}, ?{}, ?{}, ?{}, ?{})",
            at + 1,
            at + 2,
            at + 3,
            at + 4,
            at + 5,
            at + 6
        );
    }
    sql.leak()
});

pub(super) fn insert_entries(
    tx: &mut dyn Tx,
    entries: &[NumberedEntry<'_>],
) -> Result<(), StoreError> {
    let (many, rest) = entries.as_chunks::<ENTRIES_AT_ONCE>();
    for chunk in many {
        let params: Vec<Value<'_>> = chunk.iter().flat_map(entry_params).collect();
        tx.execute(*INSERT_ENTRIES, &params)?;
    }
    for entry in rest {
        tx.execute(INSERT_ENTRY, &entry_params(entry))?;
    }
    Ok(())
}

fn entry_params<'a>(numbered: &'a NumberedEntry<'a>) -> [Value<'a>; 6] {
    [
        Value::Text(&numbered.entry.organization_id),
        Value::Int(to_int(numbered.seq)),
        Value::Text(&numbered.entry.event_id),
        Value::Text(&numbered.entry.entry),
        Value::Blob(&numbered.previous_hash),
        Value::Blob(&numbered.hash),
    ]
}

fn to_int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
