//! Who runs the sequencer, and when: a thread of each store, after its commits; one at a time among
//! all processes, by an advisory lock.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::{limits, pause};
use crate::store::instance::{self, PendingEntry};
use crate::store::{StoreError, Tx, sequencer};

use super::actor::Access;
use super::store::Core;

/// How long a commit waits for company before its entry is numbered: a run costs several round
/// trips, whether for one entry or for hundreds.
const GATHER: Duration = Duration::from_millis(5);
/// How soon to ask again while another process numbers: it may end before it sees our entries.
const SOON: Duration = Duration::from_millis(200);
/// How often to look without a reason: a process may have died between its commit and its run.
const NOW_AND_THEN: Duration = Duration::from_secs(1);
/// How long closing the store may wait for the last entries to be numbered.
const LAST_RUN_MAX: Duration = Duration::from_secs(2);
/// Most runs of one call. Far more than any backlog; a bound, since every loop has one.
const RUNS_MAX: usize = 100_000;

const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock(4702111234474983746)";
const LOCK: &str = "SELECT pg_advisory_xact_lock(4702111234474983746)";

// `audit_pending` is filled and emptied all day, so its statistics are of no use: vacuumed while it was
// empty it is taken for empty until somebody looks again, and a plan made then is kept while it holds a
// hundred thousand rows. It was then joined with itself row by row, for minutes. So it is read in the order
// of its index, by `Access::Queue`.
const ANY_PENDING: &str = "SELECT p.organization_id FROM audit_pending p
    JOIN audit_heads h ON h.organization_id = p.organization_id AND h.stopped = 0
    ORDER BY p.organization_id, p.event_id LIMIT 1";
// A row stays where it is while a snapshot sees it, and nobody but the sequencer moves these.
// The limit is `limits::SEQUENCE_BATCH_MAX`.
const TAKE_PENDING: &str = "DELETE FROM audit_pending
    WHERE ctid = ANY (ARRAY(
        SELECT p.ctid FROM audit_pending p
        JOIN audit_heads h ON h.organization_id = p.organization_id AND h.stopped = 0
        ORDER BY p.organization_id, p.event_id LIMIT 1024))
    RETURNING organization_id, event_id, entry";

/// The thread that numbers what was committed.
pub(super) struct Sequencing {
    wake: Option<SyncSender<()>>,
    ended: Mutex<Receiver<()>>,
}

impl Sequencing {
    pub(super) fn start(core: &Arc<Core>) -> Result<Sequencing, StoreError> {
        let (wake, woken) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let core = Arc::clone(core);
        std::thread::Builder::new()
            .name("agentidp-sequencer".to_owned())
            .spawn(move || {
                watch(&core, &woken);
                let _ = end.send(());
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Sequencing { wake: Some(wake), ended: Mutex::new(ended) })
    }

    /// Tells the thread that something was committed. Many calls before it looks are one.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }

    /// Lets the thread number what is committed, for a bounded time, and end.
    pub(super) fn stop(&mut self) {
        if self.wake.take().is_some() {
            let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(LAST_RUN_MAX);
        }
    }
}

fn watch(core: &Core, woken: &Receiver<()>) {
    let mut wait = NOW_AND_THEN;
    loop {
        match woken.recv_timeout(wait) {
            Ok(()) => pause(GATHER),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // Nobody comes after us: wait for another process that numbers. `stop` bounds it.
                let _ = run_until_empty(core, LOCK);
                return;
            }
        }
        wait = match run_until_empty(core, TRY_LOCK) {
            Ok(true) => NOW_AND_THEN,
            // A failure here is not lost: the entries stay pending, and the next run says it again.
            Ok(false) | Err(_) => SOON,
        };
    }
}

/// Returns once every entry that was committed before the call has its number.
pub(super) fn settle(core: &Core) -> Result<(), StoreError> {
    let mut pending = false;
    core.answer(Access::Queue, |tx| {
        tx.query(ANY_PENDING, &[], &mut |_| {
            pending = true;
            Ok(())
        })
    })?;
    if pending { run_until_empty(core, LOCK).map(|_| ()) } else { Ok(()) }
}

/// Numbers batch after batch until one takes all that was pending when it began. Answers false when
/// `lock` is held by another.
fn run_until_empty(core: &Core, lock: &'static str) -> Result<bool, StoreError> {
    for _ in 0..RUNS_MAX {
        match number(core, lock)? {
            None => return Ok(false),
            Some(numbered) if numbered < limits::SEQUENCE_BATCH_MAX => return Ok(true),
            Some(_) => {}
        }
    }
    Err(StoreError::Busy)
}

/// One batch. Where a log refuses its entries, which takes all of the batch back, that log is stopped
/// and the others are numbered without it.
///
/// This conflict alone is caught and not asked for: it means that somebody meddled with a head, and to
/// ask before every batch, or to insert so that a conflict is passed over, would make all of them dearer
/// for its sake. What is caught tells only that some log is overrun. Which one is asked for, under the
/// same lock, so nothing moves between the question and the second attempt.
fn number(core: &Core, lock: &'static str) -> Result<Option<usize>, StoreError> {
    match core.answer(Access::Queue, |tx| run_locked(tx, lock, |_| Ok(()))) {
        Err(StoreError::BrokenHead) => core
            .answer(Access::Queue, |tx| run_locked(tx, lock, |tx| instance::stop_overrun_logs(tx))),
        done => done,
    }
}

/// One batch, under the lock, after `first`. A commit becomes visible before its locks are released,
/// and each statement sees what was committed when it began: so whoever has the lock sees every number
/// given.
fn run_locked(
    tx: &mut dyn Tx,
    lock: &'static str,
    first: impl Fn(&mut dyn Tx) -> Result<(), StoreError>,
) -> Result<Option<usize>, StoreError> {
    let mut locked = true;
    tx.query(lock, &[], &mut |row| {
        // The blocking form answers `void`, which is no integer, once it has the lock.
        locked = lock != TRY_LOCK || row.int(0)? == 1;
        Ok(())
    })?;
    if !locked {
        return Ok(None);
    }
    first(tx)?;
    let pending = take_pending(tx)?;
    let taken = pending.len();
    sequencer::number(tx, pending)?;
    Ok(Some(taken))
}

/// Takes pending entries out of the table, at most `limits::SEQUENCE_BATCH_MAX`, in no order.
fn take_pending(tx: &mut dyn Tx) -> Result<Vec<PendingEntry>, StoreError> {
    tx.rows(TAKE_PENDING, &[], |row| {
        Ok(PendingEntry {
            organization_id: row.text(0)?.to_owned(),
            event_id: row.text(1)?.to_owned(),
            entry: row.text(2)?.to_owned(),
            counted_in: None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_large_as_the_limit_says() {
        assert!(TAKE_PENDING.contains(&format!("LIMIT {})", limits::SEQUENCE_BATCH_MAX)));
    }
}
