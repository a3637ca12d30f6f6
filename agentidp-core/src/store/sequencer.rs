//! Gives audit entries their numbers: one log an organization, dense, in one chain.
//!
//! On SQLite this is the last step of each commit; on PostgreSQL whoever holds the advisory lock does it for
//! what is committed, so that issuers of one organization never queue behind the head of its log.

#[cfg(feature = "postgres")]
use std::collections::HashMap;

use crate::audit::{Frontier, Hash, chain_hash, leaf_hash};

use super::StoreError;
#[cfg(feature = "postgres")]
use super::Tx;
#[cfg(feature = "postgres")]
use super::instance;
use super::instance::{LogHead, NumberedEntry, PendingEntry};

/// Where a log ends.
#[derive(Debug, Clone, Default)]
pub(super) struct LogEnd {
    log_number: i64,
    hash: Hash,
    frontier: Frontier,
}

impl LogEnd {
    /// What is stored of it, if that can be one.
    pub(super) fn read(head: &LogHead) -> Result<LogEnd, StoreError> {
        let hash = head.hash.as_slice().try_into().map_err(|_| StoreError::BrokenHead)?;
        Ok(LogEnd { log_number: head.log_number, hash, frontier: head.frontier()? })
    }

    /// What to store of it.
    pub(super) fn to_head(&self) -> Result<LogHead, StoreError> {
        let size = i64::try_from(self.frontier.size()).map_err(|_| StoreError::BrokenHead)?;
        Ok(LogHead {
            log_number: self.log_number,
            size,
            hash: self.hash.to_vec(),
            frontier: self.frontier.to_bytes(),
        })
    }

    /// How many entries the log has.
    #[cfg(feature = "sqlite")]
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Links an entry to the end, which moves on.
    pub(super) fn append<'a>(&mut self, entry: &'a PendingEntry) -> NumberedEntry<'a> {
        let seq = self.frontier.size();
        let previous_hash = self.hash;
        let hash = self.link(&entry.entry);
        NumberedEntry { log_number: self.log_number, seq, entry, previous_hash, hash }
    }

    /// The hash of the chain with `entry`, at which it now ends.
    pub(super) fn link(&mut self, entry: &str) -> Hash {
        let leaf = leaf_hash(entry.as_bytes());
        self.hash = chain_hash(&self.hash, &leaf);
        self.frontier.append(&leaf);
        self.hash
    }
}

/// The entries of each log together, in the order of their events.
pub(super) fn by_log(
    pending: &mut [PendingEntry],
) -> impl Iterator<Item = (&str, &[PendingEntry])> {
    pending.sort_unstable_by(|a, b| {
        (&a.organization_id, &a.event_id).cmp(&(&b.organization_id, &b.event_id))
    });
    pending
        .chunk_by(|a, b| a.organization_id == b.organization_id)
        .filter_map(|log| Some((log.first()?.organization_id.as_str(), log)))
}

/// Numbers `pending` entries, and leaves those aside whose log cannot be continued: they wait, and other
/// organizations go on.
///
/// The caller sees to it that nobody else does so at the same time.
#[cfg(feature = "postgres")]
pub(super) fn number(tx: &mut dyn Tx, mut pending: Vec<PendingEntry>) -> Result<(), StoreError> {
    let logs: Vec<_> = by_log(&mut pending).collect();
    let names: Vec<&str> = logs.iter().map(|(name, _)| *name).collect();
    let mut heads: HashMap<String, LogHead> =
        instance::log_heads(tx, &names)?.into_iter().collect();
    let mut numbered = Vec::new();
    let mut moved = Vec::with_capacity(logs.len());
    for (name, log) in logs {
        let end = heads.remove(name).and_then(|head| LogEnd::read(&head).ok());
        let Some(mut end) = end else {
            instance::put_back(tx, log)?;
            continue;
        };
        numbered.extend(log.iter().map(|entry| end.append(entry)));
        moved.push((name, end.to_head()?));
    }
    instance::insert_entries(tx, &numbered)?;
    instance::move_heads(tx, &moved)
}
