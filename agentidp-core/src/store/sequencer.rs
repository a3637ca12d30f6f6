//! Gives committed audit entries their numbers: one log an organization, dense, in one chain.
//!
//! The same statements on both engines. On SQLite this is the last step of each commit; on
//! PostgreSQL whoever holds the advisory lock runs it, so that issuers of one organization never
//! queue behind the head of its log.

use crate::audit::{Frontier, Hash, chain_hash, leaf_hash};

use super::instance::{self, Company};
use super::{StoreError, Tx};

/// Numbers pending entries, at most `limits::SEQUENCE_BATCH_MAX` where others write beside us, and
/// tells how many.
///
/// The caller sees to it that nobody else does so at the same time.
pub(super) fn run(tx: &mut dyn Tx, company: Company) -> Result<usize, StoreError> {
    let pending = instance::take_pending(tx, company)?;
    for entries in pending.chunk_by(|a, b| a.organization_id == b.organization_id) {
        append(tx, entries)?;
    }
    Ok(pending.len())
}

/// Appends entries of one organization to its log.
fn append(tx: &mut dyn Tx, entries: &[instance::PendingEntry]) -> Result<(), StoreError> {
    let Some(first) = entries.first() else { return Ok(()) };
    let Some(head) = instance::log_head(tx, &first.organization_id)? else {
        return Err(StoreError::BrokenHead);
    };
    let mut hash: Hash = head.hash.as_slice().try_into().map_err(|_| StoreError::BrokenHead)?;
    let mut frontier =
        Frontier::from_bytes(head.size, &head.frontier).map_err(|_| StoreError::BrokenHead)?;
    let mut numbered = Vec::with_capacity(entries.len());
    for entry in entries {
        let leaf = leaf_hash(entry.entry.as_bytes());
        let previous_hash = hash;
        hash = chain_hash(&previous_hash, &leaf);
        numbered.push(instance::NumberedEntry { seq: frontier.size(), entry, previous_hash, hash });
        frontier.append(&leaf);
    }
    instance::insert_entries(tx, &numbered)?;
    let head = instance::LogHead {
        size: frontier.size(),
        hash: hash.to_vec(),
        frontier: frontier.to_bytes(),
    };
    instance::move_head(tx, &first.organization_id, &head)
}
