//! Gives committed audit entries their numbers: one log an organization, dense, in one chain.
//!
//! The same statements on both engines. On SQLite this is the last step of each commit; on
//! PostgreSQL whoever holds the advisory lock runs it, so that issuers of one organization never
//! queue behind the head of its log.

use std::collections::HashMap;

use crate::audit::{Hash, chain_hash, leaf_hash};

use super::instance::{self, Company, LogHead, NumberedEntry, PendingEntry};
use super::{StoreError, Tx};

/// Numbers `pending` entries.
///
/// The caller sees to it that nobody else does so at the same time.
///
/// # Errors
/// [`StoreError::BrokenHead`] where a log cannot be continued and its entries could not be left
/// aside; then the transaction must be given up.
pub(super) fn number(
    tx: &mut dyn Tx,
    mut pending: Vec<PendingEntry>,
    company: Company,
) -> Result<(), StoreError> {
    pending.sort_unstable_by(|a, b| {
        (&a.organization_id, &a.event_id).cmp(&(&b.organization_id, &b.event_id))
    });
    let logs: Vec<&[PendingEntry]> =
        pending.chunk_by(|a, b| a.organization_id == b.organization_id).collect();
    let names: Vec<&str> = logs.iter().filter_map(|log| name(log)).collect();
    let mut heads: HashMap<String, LogHead> =
        instance::log_heads(tx, &names)?.into_iter().collect();
    let mut numbered = Vec::with_capacity(pending.len());
    let mut moved = Vec::with_capacity(logs.len());
    for (log, name) in logs.iter().zip(names) {
        let head = heads.remove(name).ok_or(StoreError::BrokenHead);
        match head.and_then(|head| append(&head, log, &mut numbered)) {
            Ok(head) => moved.push((name, head)),
            Err(error) => leave(tx, company, log, error)?,
        }
    }
    instance::insert_entries(tx, &numbered).map_err(|error| match error {
        // The log has the number already, or the entry: the head is one that was true once.
        StoreError::Constraint(_) => StoreError::BrokenHead,
        other => other,
    })?;
    instance::move_heads(tx, &moved)
}

/// What to do with entries of a log whose head is damaged. The transaction that wrote them must fail
/// where it is still open; where it has committed they wait, and other organizations go on.
fn leave(
    tx: &mut dyn Tx,
    company: Company,
    log: &[PendingEntry],
    error: StoreError,
) -> Result<(), StoreError> {
    match company {
        #[cfg(feature = "sqlite")]
        Company::None => {
            let _ = (tx, log);
            Err(error)
        }
        #[cfg(feature = "postgres")]
        Company::Others => {
            let _ = error;
            instance::put_back(tx, log)
        }
    }
}

fn name(log: &[PendingEntry]) -> Option<&str> {
    log.first().map(|entry| entry.organization_id.as_str())
}

/// Links `entries` of one organization to the `head` of its log; returns the new head.
fn append<'a>(
    head: &LogHead,
    entries: &'a [PendingEntry],
    numbered: &mut Vec<NumberedEntry<'a>>,
) -> Result<LogHead, StoreError> {
    let mut hash: Hash = head.hash.as_slice().try_into().map_err(|_| StoreError::BrokenHead)?;
    let mut frontier = head.frontier()?;
    for entry in entries {
        let leaf = leaf_hash(entry.entry.as_bytes());
        let previous_hash = hash;
        hash = chain_hash(&previous_hash, &leaf);
        numbered.push(NumberedEntry { seq: frontier.size(), entry, previous_hash, hash });
        frontier.append(&leaf);
    }
    let size = i64::try_from(frontier.size()).map_err(|_| StoreError::BrokenHead)?;
    Ok(LogHead { size, hash: hash.to_vec(), frontier: frontier.to_bytes() })
}
