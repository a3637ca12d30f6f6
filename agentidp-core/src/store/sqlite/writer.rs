//! The one writer, and group commit.
//!
//! An fsync costs what a dozen inserts cost, so concurrent writers share one. Each caller takes the
//! connection in turn, runs its closure in a savepoint of the open transaction and hands the
//! connection on; the one that finds nobody waiting numbers the audit entries and commits. Nobody
//! gets an answer, an error included, before that commit. A lone writer waits for nobody.
//!
//! Some failures (a full disk, an I/O error) make SQLite roll back the whole transaction, the
//! closures of others with it. Those run again, each in a transaction of its own, so that one
//! caller's failure is never another's.
//!
//! Closures that own what they need take the shorter way of [`combine`](super::combine).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::base::{limits, pause};
use crate::store::{Body, Done, OwnedBody, Scope, StoreError, Verdict};

use super::batch::{Batch, Outcome, is_final};
use super::changes::Changes;
use super::combine::{Queue, Ticket, Turn};
use super::connection::{self, Location, ScopeCell};
use super::ends::Ends;
use super::gathered::Gathered;
use super::helper::Bell;
use super::tx::SqliteTx;
use super::{failure, log_wall};

/// How long a process that shares its file leaves the lock alone between two batches.
const LEAVE_TO_OTHERS: Duration = Duration::from_micros(700);

/// What the log may grow by, in pages as a batch touches them, before it is taken into the database:
/// half of what makes SQLite do so itself.
const LOG_GROWTH_MAX: usize = connection::LOG_PAGES as usize / 2;

/// Pages that a batch touches besides one for each closure: those of the indexes, the heads and the
/// counts.
const BATCH_PAGES: usize = 10;

/// Batches that one caller leads before the next caller has to, where there is no helper: waking another for
/// each would leave the database idle until that thread gets a processor.
const LED_BATCHES_MAX: usize = 8;

/// Heads that are written at once where they lag behind their logs. Side by side they share their pages.
const HEADS_AT_ONCE: usize = 1024;

/// How often a leader lets others go first before it takes the connection again.
const YIELDS_MAX: usize = 64;

pub(super) struct Writer {
    open: Mutex<OpenWriter>,
    /// Callers that want the connection and do not have it.
    waiting: AtomicUsize,
    queue: Queue,
    committer: Bell,
    checkpointer: Arc<Bell>,
    heads: Arc<Bell>,
}

impl Writer {
    pub(super) fn open(location: &Location) -> Result<Writer, StoreError> {
        Ok(Self::over(connection::open_writer(location)?))
    }

    /// A writer that can write nothing, where a store is only looked at.
    pub(super) fn open_looking(location: &Location) -> Result<Writer, StoreError> {
        Ok(Self::over(connection::open_looking(location)?))
    }

    fn over((connection, scope): (Connection, ScopeCell)) -> Writer {
        let (checkpointer, heads) = (Arc::<Bell>::default(), Arc::<Bell>::default());
        let open = OpenWriter {
            connection,
            scope,
            batch: None,
            gathered: Gathered::default(),
            changes: Changes::default(),
            ends: Ends::default(),
            shared: false,
            log_growth: 0,
            checkpointer: Arc::clone(&checkpointer),
            heads: Arc::clone(&heads),
        };
        Writer {
            open: Mutex::new(open),
            waiting: AtomicUsize::new(0),
            queue: Queue::default(),
            committer: Bell::default(),
            checkpointer,
            heads,
        }
    }

    /// Lends the bare connection, outside any transaction: for migrations and for a reader that
    /// must not run beside a commit.
    pub(super) fn with_connection<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        let mut open = self.lock();
        let _ = open.commit();
        // Noted before, should the work panic.
        open.changes.begin();
        open.ends.doubt_all();
        let result = work(&mut open.connection);
        open.changes.end();
        result
    }

    /// Lends the connection, outside any transaction, for work that changes no row.
    pub(super) fn between_batches<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        let mut open = self.lock();
        let _ = open.commit();
        work(&open.connection)
    }

    /// Writes the heads and counts that lag behind their logs. Where that fails they go on lagging.
    pub(super) fn write_heads(&self) {
        let mut open = self.lock();
        let lagging = open.lagging();
        drop(open);
        for organizations in lagging.chunks(HEADS_AT_ONCE) {
            self.let_others_write();
            self.lock().write_heads(organizations);
        }
    }

    pub(super) fn write(&self, scope: &Scope, body: &mut Body<'_>) -> Result<(), StoreError> {
        match self.join(scope, body, Company::Shared) {
            Answer::RunAlone => match self.join(scope, body, Company::Alone) {
                Answer::Final(result) => result,
                Answer::RunAlone => Err(StoreError::NotRun),
            },
            Answer::Final(result) => result,
        }
    }

    /// As [`write`](Self::write), for a closure that any thread may run. `helped` tells whether there is a
    /// helper that leads when the [committer](Self::committer) is rung; it is asked when one is needed.
    pub(super) fn write_owned(
        &self,
        scope: &Scope,
        body: Box<OwnedBody>,
        helped: impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let (ticket, leads) = self.queue.join(scope, body);
        let mut turn = if leads { Turn::Lead } else { ticket.wait() };
        loop {
            turn = match turn {
                Turn::Lead => {
                    self.lead_first(&helped);
                    ticket.wait()
                }
                Turn::RunAlone => return self.run_alone(&ticket),
                Turn::Answered(result) => return result,
                Turn::Panicked(payload) => resume_unwind(payload),
                Turn::Wait => ticket.wait(),
            };
        }
    }

    /// As [`write_owned`](Self::write_owned), for a caller that does not wait. There must be a helper
    /// that leads when the [committer](Self::committer) is rung.
    pub(super) fn submit(&self, scope: &Scope, body: Box<OwnedBody>, done: Done) {
        if self.queue.leave(scope, body, done) {
            self.committer.ring();
        }
    }

    /// Rung when there are closures to lead whose callers went on.
    pub(super) fn committer(&self) -> &Bell {
        &self.committer
    }

    /// Rung when the log has grown.
    pub(super) fn checkpointer(&self) -> &Bell {
        &self.checkpointer
    }

    /// Whether the log was ever long enough for the checkpointer.
    pub(super) fn log_has_grown(&self) -> bool {
        self.checkpointer.has_rung()
    }

    #[cfg(test)]
    pub(super) fn crowd_ends(&self, count: usize) {
        self.lock().ends.crowd(count);
    }

    /// Rung when heads begin to lag behind their logs.
    pub(super) fn heads(&self) -> &Bell {
        &self.heads
    }

    /// Leads for a caller, which has its own answer after the first batch: where others wait then, a helper
    /// goes on, and the caller need not stay for the batches of the others.
    fn lead_first(&self, helped: impl Fn() -> bool) {
        if !self.lead_batches(1) {
            return;
        }
        if helped() {
            self.committer.ring();
        } else {
            self.lead(LED_BATCHES_MAX - 1);
        }
    }

    /// Leads until nobody waits or, after `batches_max`, it is another's turn to.
    pub(super) fn lead(&self, batches_max: usize) {
        if self.lead_batches(batches_max) && !self.queue.pass_on() {
            self.committer.ring();
        }
    }

    /// Runs the closures of all that wait, commits and gives everybody their answer, batch after
    /// batch, until nobody waits or, after `batches_max`, others do, which is told.
    fn lead_batches(&self, batches_max: usize) -> bool {
        for left in (0..batches_max).rev() {
            let mut open = self.lock();
            let tickets = self.queue.take();
            let turns = open.run_tickets(&tickets);
            drop(open);
            let mut alone = Vec::new();
            for (ticket, turn) in tickets.iter().zip(turns) {
                match turn {
                    Turn::RunAlone if ticket.is_left() => alone.push(ticket),
                    turn => ticket.tell(turn),
                }
            }
            for ticket in alone {
                ticket.tell(self.turn_alone(ticket));
            }
            // Closures whose owners went on end here. Whatever that does, others need their leader.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(tickets)));
            if self.queue.is_done() {
                return false;
            }
            // Whoever goes on has to be woken first, which takes the time of a breath by itself.
            if left == 0 {
                break;
            }
            // Those just answered may have their next closure ready in the time of a breath, and a
            // larger batch spreads its fsync over more of them.
            std::thread::yield_now();
            self.let_others_write();
        }
        true
    }

    /// Lets those have the connection who want it for themselves: the lock is not fair, and a leader that
    /// goes on at once would have it again and again.
    fn let_others_write(&self) {
        for _ in 0..YIELDS_MAX {
            if self.waiting.load(Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn run_alone(&self, ticket: &Ticket) -> Result<(), StoreError> {
        match self.join(&ticket.scope, &mut **ticket.body(), Company::Alone) {
            Answer::Final(result) => result,
            Answer::RunAlone => Err(StoreError::NotRun),
        }
    }

    /// Runs a closure alone in the place of its owner.
    fn turn_alone(&self, ticket: &Ticket) -> Turn {
        match catch_unwind(AssertUnwindSafe(|| self.run_alone(ticket))) {
            Ok(result) => Turn::Answered(result),
            Err(payload) => Turn::Panicked(payload),
        }
    }

    /// Takes part in a batch, or makes one of its own.
    fn join(&self, scope: &Scope, body: &mut Body<'_>, company: Company) -> Answer {
        let mut open = self.lock();
        if company == Company::Alone {
            let _ = open.commit();
        }
        let batch = match open.batch() {
            Ok(batch) => batch,
            Err(error) => return Answer::Final(Err(error)),
        };
        let ran = open.run(scope, body);
        if let Ran::TransactionLost(error) = ran {
            // Everybody's work is gone. Who was not alone tries again alone: the fault may have
            // been another's, or that of all together.
            let members = open.give_up();
            return if members == 1 { Answer::Final(Err(error)) } else { Answer::RunAlone };
        }
        let last = company == Company::Alone
            || open.members() >= limits::GROUP_COMMIT_MAX
            || self.waiting.load(Ordering::SeqCst) == 0;
        if last {
            let _ = open.commit();
        }
        drop(open);
        let answer = batch.wait(company);
        match ran {
            Ran::Panicked(payload) => resume_unwind(payload.0),
            Ran::Spoiled(error) => match answer {
                Answer::Final(Ok(())) => Answer::Final(Err(error)),
                other => other,
            },
            Ran::Done | Ran::TransactionLost(_) => answer,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, OpenWriter> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        open
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Nobody can be inside a batch any more: each caller and each helper holds the writer.
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        for organizations in open.lagging().chunks(HEADS_AT_ONCE) {
            open.write_heads(organizations);
        }
    }
}

/// Whether a closure shares its commit with others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    Shared,
    Alone,
}

/// What became of it, or that it has to run again by itself.
pub(super) enum Answer {
    Final(Result<(), StoreError>),
    RunAlone,
}

struct Payload(Box<dyn std::any::Any + Send>);

enum Ran {
    Done,
    /// A statement had failed, and the closure wanted to commit all the same.
    Spoiled(StoreError),
    TransactionLost(StoreError),
    Panicked(Payload),
}

struct OpenWriter {
    connection: Connection,
    scope: ScopeCell,
    batch: Option<Arc<Batch>>,
    /// What the batch's members leave to its end.
    gathered: Gathered,
    changes: Changes,
    ends: Ends,
    /// Whether others wrote to the file since our last batch.
    shared: bool,
    /// By how many pages the log has grown since the bell was rung, more or less.
    log_growth: usize,
    checkpointer: Arc<Bell>,
    heads: Arc<Bell>,
}

impl OpenWriter {
    /// The open batch, begun if there is none.
    fn batch(&mut self) -> Result<Arc<Batch>, StoreError> {
        if let Some(batch) = &self.batch {
            return Ok(Arc::clone(batch));
        }
        if std::mem::take(&mut self.shared) {
            pause(LEAVE_TO_OTHERS);
        }
        self.statement("BEGIN IMMEDIATE")?;
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)))
            .ok();
        self.shared = self.changes.begin_batch(version);
        if self.shared || version.is_none() {
            self.ends.doubt_all();
        }
        let batch = Arc::new(Batch::default());
        self.batch = Some(Arc::clone(&batch));
        Ok(batch)
    }

    /// Runs one closure so that it can be undone.
    fn run(&mut self, scope: &Scope, body: &mut Body<'_>) -> Ran {
        if let Some(batch) = &self.batch {
            batch.members.fetch_add(1, Ordering::Relaxed);
        }
        self.scope.set(Some(scope));
        let mark = self.gathered.mark();
        let mut tx = SqliteTx::member(
            &self.connection,
            scope,
            &mut self.gathered,
            &mut self.changes,
            &mut self.ends,
        );
        let verdict = catch_unwind(AssertUnwindSafe(|| body(&mut tx)));
        let entries = self.scope.take_entries();
        self.scope.set(None);
        let has_savepoint = tx.has_savepoint();
        let mut failure = tx.into_failure();
        if !self.connection.is_autocommit() {
            failure = failure.or_else(|| log_wall::refuses(&self.connection, scope, &entries));
        }
        // Also what only looks ends a transaction where it fails badly.
        if self.connection.is_autocommit() {
            let lost = || StoreError::Failed("the transaction was lost".to_owned());
            return Ran::TransactionLost(failure.unwrap_or_else(lost));
        }
        let stays = failure.is_none() && matches!(verdict, Ok(Verdict::Commit));
        if !stays {
            self.gathered.take_back(mark);
        }
        if has_savepoint && let Err(error) = self.end_member(stays) {
            return Ran::TransactionLost(error);
        }
        match (verdict, failure) {
            (Ok(Verdict::Commit), Some(error)) => Ran::Spoiled(error),
            (Ok(_), _) => Ran::Done,
            (Err(payload), _) => Ran::Panicked(Payload(payload)),
        }
    }

    fn end_member(&self, stays: bool) -> Result<(), StoreError> {
        if !stays {
            self.statement("ROLLBACK TO member")?;
        }
        self.statement("RELEASE member")
    }

    /// Runs the closures of `tickets` and commits; what each owner is to do about it.
    fn run_tickets(&mut self, tickets: &[Arc<Ticket>]) -> Vec<Turn> {
        if let Err(error) = self.batch() {
            return tickets.iter().map(|_| Turn::Answered(Err(error.clone()))).collect();
        }
        let mut ran = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            ran.push(match self.run(&ticket.scope, &mut **ticket.body()) {
                Ran::Done => Turn::Answered(Ok(())),
                Ran::Spoiled(error) => Turn::Answered(Err(error)),
                Ran::Panicked(Payload(payload)) => Turn::Panicked(payload),
                Ran::TransactionLost(error) => return self.lost(tickets, &error),
            });
        }
        // Closures that borrow may have joined this batch before the leader came.
        let members = self.members();
        match self.commit() {
            Ok(()) => ran,
            Err(error) => answers_of_lost(tickets, members, &error),
        }
    }

    /// The batch is gone, with the closures of this leader and perhaps of others.
    fn lost(&mut self, tickets: &[Arc<Ticket>], error: &StoreError) -> Vec<Turn> {
        let members = self.give_up();
        answers_of_lost(tickets, members.max(tickets.len()), error)
    }

    fn members(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.members.load(Ordering::Relaxed))
    }

    /// Numbers the batch's audit entries, commits, and gives everybody their answer.
    fn commit(&mut self) -> Result<(), StoreError> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let gathered = std::mem::take(&mut self.gathered);
        let lagged = self.ends.lag();
        self.scope.set(Some(&Scope::Instance));
        // Nobody of the batch may be left asleep, whatever happens here.
        let numbered =
            catch_unwind(AssertUnwindSafe(|| self.ends.end_batch(&self.connection, gathered)));
        self.scope.set(None);
        self.log_growth += BATCH_PAGES + batch.members.load(Ordering::Relaxed);
        if self.log_growth > LOG_GROWTH_MAX {
            self.log_growth = 0;
            self.checkpointer.ring();
        }
        let panicked = |_| Err(StoreError::Failed("the sequencer panicked".to_owned()));
        let result = numbered.unwrap_or_else(panicked).and_then(|_| self.end());
        if result.is_err() {
            self.ends.doubt_all();
            if !self.connection.is_autocommit() {
                let _ = self.statement("ROLLBACK");
            }
        }
        self.changes.end();
        if self.ends.lag() && !lagged {
            self.heads.ring();
        }
        batch.finish(match &result {
            Ok(()) => Outcome::Committed,
            Err(error) => Outcome::Failed(error.clone()),
        });
        result
    }

    fn end(&self) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("COMMIT")
            .and_then(|mut statement| statement.execute([]))
            .map(|_| ())
            .map_err(|error| failure::committing(&error))
    }

    /// Ends a batch whose transaction SQLite has rolled back; tells how many took part.
    fn give_up(&mut self) -> usize {
        if !self.connection.is_autocommit() {
            let _ = self.statement("ROLLBACK");
        }
        let members = self.members();
        self.gathered = Gathered::default();
        self.ends.doubt_all();
        self.changes.end();
        if let Some(batch) = self.batch.take() {
            batch
                .finish(Outcome::Failed(StoreError::Failed("the transaction was lost".to_owned())));
        }
        members
    }

    /// The organizations whose heads lag, which from now on do so anew.
    fn lagging(&mut self) -> Vec<String> {
        let _ = self.commit();
        self.ends.take_lagging()
    }

    /// A batch of its own, of the heads and counts of `organizations`.
    fn write_heads(&mut self, organizations: &[String]) {
        let _ = self.commit();
        self.ends.write_with_next(organizations);
        if self.batch().is_ok() {
            let _ = self.commit();
        }
    }

    fn statement(&self, sql: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(|_| ())
            .map_err(|error| failure::failing(&error))
    }
}

/// What the owners of `tickets` are to do about a lost batch of `members`: who was alone has its
/// answer.
fn answers_of_lost(tickets: &[Arc<Ticket>], members: usize, error: &StoreError) -> Vec<Turn> {
    let alone = members == 1 || is_final(error);
    let turn = |_| if alone { Turn::Answered(Err(error.clone())) } else { Turn::RunAlone };
    tickets.iter().map(turn).collect()
}
