//! SQLite itself refuses a commit, or a statement on the way to it, while several callers share the
//! batch: nobody is answered `Ok` whose row is not there, who is innocent succeeds when run again
//! alone, who is guilty is told, and the writer goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use super::SqliteStore;
use crate::base::{Month, OrgId, SystemClock, SystemRng, Timestamp, pause};
use crate::store::{Scope, Store, StoreError, Tx, Value};

/// What the guilty member of a batch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Leaves a reference to nothing, which SQLite looks for at COMMIT.
    DeferredReference,
    /// Makes SQLite turn COMMIT into a rollback.
    RefusedCommit,
    /// Writes an entry that the sequencer cannot insert.
    SequencerStatement,
    /// Writes an entry whose insertion ends the transaction.
    SequencerRollback,
    /// Ends the transaction with a statement of its own.
    Rollback,
    /// Fills the database, by its own limit.
    Full,
    /// Writes more than the file system takes. It shows at COMMIT: nothing is written before.
    FileSize,
}

impl Fault {
    /// Whether `error` tells the guilty one what it did.
    fn is_told_by(self, error: &StoreError) -> bool {
        match self {
            Fault::DeferredReference | Fault::RefusedCommit | Fault::Rollback => {
                matches!(error, StoreError::Constraint(_))
            }
            Fault::SequencerStatement | Fault::SequencerRollback => {
                *error == StoreError::BrokenHead
            }
            Fault::Full | Fault::FileSize => matches!(error, StoreError::Failed(_)),
        }
    }

    /// Whether those who share a batch with the guilty one have to run again.
    fn spoils_the_batch(self, guilty: usize) -> bool {
        match self {
            // Its own savepoint may be all that is lost.
            Fault::Full => false,
            // The first has no company yet when its statement fails.
            Fault::Rollback => guilty > 0,
            _ => true,
        }
    }

    fn payload_size(self) -> usize {
        if matches!(self, Fault::Full | Fault::FileSize) { 8 << 20 } else { 0 }
    }
}

/// How each caller writes. The first opens the batch and holds it until all others wait.
const WAYS: [Way; 10] = [
    Way::Borrowed,
    Way::Borrowed,
    Way::Owned,
    Way::Submitted,
    Way::Owned,
    Way::Borrowed,
    Way::Submitted,
    Way::Owned,
    Way::Borrowed,
    Way::Submitted,
];
/// Sharing is a matter of time: a round in which nobody shared proves nothing and is repeated.
const ROUNDS_MAX: usize = 20;
const ANSWER_MAX: Duration = Duration::from_secs(60);

pub(super) const INSERT_ORGANIZATION: &str = "INSERT INTO organizations
        (organization_id, slug, name, plan_tier, max_agents, max_tokens_per_month,
         rate_limit_per_minute, status, version, created_at, updated_at)
    VALUES (?1, ?1, 'name', 'free', 1, 1, 1, 'active', 1, 0, 0)";
pub(super) const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
    VALUES (?1, 0, ?2, ?3)";
const INSERT_ROW: &str = "INSERT INTO outbox
        (organization_id, event_id, subscription_id, event_type, payload, created_at)
    VALUES (?1, ?2, 's', ?3, ?4, 0)";
const ROWS: &str = "SELECT event_id FROM outbox WHERE organization_id = ?1 ORDER BY event_id";
const NUMBERED: &str =
    "SELECT event_id FROM audit_logs WHERE organization_id = ?1 ORDER BY event_id";
const LOG: &str = "SELECT l.seq, h.size, u.issued FROM audit_logs l
    JOIN audit_heads h ON h.organization_id = l.organization_id
    JOIN token_usage u ON u.organization_id = l.organization_id
    WHERE l.organization_id = ?1 ORDER BY l.seq";

fn month() -> Month {
    Month::of(Timestamp::from_micros(0))
}

#[derive(Clone, Copy)]
enum Way {
    /// A closure that borrows.
    Borrowed,
    /// A closure that owns what it needs.
    Owned,
    /// The same, of a caller that does not wait in the store.
    Submitted,
}

struct Bed {
    store: SqliteStore,
    scopes: [Scope; 2],
    /// Whether SQLite is to refuse the next commit.
    refuses: Arc<AtomicBool>,
}

impl Bed {
    /// Beside our own tables one that refers to nothing, and triggers that do what a fault wants when
    /// a row is named after it.
    fn over(store: SqliteStore) -> Arc<Bed> {
        let refuses = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&refuses);
        store.writer.with_connection(|connection| {
            connection
                .execute_batch(
                    "CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
                     CREATE TABLE children (parent INTEGER NOT NULL
                        REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED) STRICT;
                     CREATE TEMP TRIGGER orphan AFTER INSERT ON main.outbox
                     WHEN NEW.event_type = 'DeferredReference'
                     BEGIN INSERT INTO children VALUES (1); END;
                     CREATE TEMP TRIGGER lose AFTER INSERT ON main.outbox
                     WHEN NEW.event_type = 'Rollback'
                     BEGIN SELECT RAISE(ROLLBACK, 'lost'); END;
                     CREATE TEMP TRIGGER refuse_entry BEFORE INSERT ON main.audit_logs
                     WHEN NEW.entry = 'SequencerStatement'
                     BEGIN SELECT RAISE(ABORT, 'refused'); END;
                     CREATE TEMP TRIGGER lose_entry BEFORE INSERT ON main.audit_logs
                     WHEN NEW.entry = 'SequencerRollback'
                     BEGIN SELECT RAISE(ROLLBACK, 'lost'); END;",
                )
                .unwrap();
            let refuse = move || hook.swap(false, Ordering::SeqCst);
            connection.commit_hook(Some(refuse)).unwrap();
        });
        let scopes = [(); 2].map(|()| {
            let scope = Scope::Org(OrgId::generate(&SystemClock, &SystemRng).unwrap());
            let head = [Value::Blob(&[0; 32]), Value::Blob(&[])];
            let store: &dyn Store = &store;
            let open = |tx: &mut dyn Tx| {
                tx.execute(INSERT_ORGANIZATION, &[])?;
                tx.execute(OPEN_LOG, &head)
            };
            store.write::<_, StoreError>("open", &scope, open).unwrap();
            scope
        });
        Arc::new(Bed { store, scopes, refuses })
    }

    /// A row and its entry, with `fault`, if any.
    fn write(&self, tx: &mut dyn Tx, name: &str, fault: Option<Fault>) -> Result<(), StoreError> {
        let kind = fault.map_or("none".to_owned(), |fault| format!("{fault:?}"));
        let payload = "x".repeat(fault.map_or(0, Fault::payload_size));
        let row = [Value::Text(name), Value::Text(&kind), Value::Text(&payload)];
        tx.execute(INSERT_ROW, &row)?;
        tx.append_entry(name, &kind)?;
        // A token, so that heads and counts lag behind between the faults.
        assert!(tx.count_tokens(month(), 1, i64::MAX)?);
        if fault == Some(Fault::RefusedCommit) {
            self.refuses.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn texts(&self, scope: &Scope, sql: &'static str) -> Vec<String> {
        let store: &dyn Store = &self.store;
        store
            .read::<_, StoreError>(scope, |tx| tx.rows(sql, &[], |row| Ok(row.text(0)?.to_owned())))
            .unwrap()
    }

    /// The log of each organization is dense and ends at its head, and each entry was counted once.
    fn check_logs(&self) {
        let store: &dyn Store = &self.store;
        self.store.writer.write_heads();
        for scope in &self.scopes {
            let log = store.read::<_, StoreError>(scope, |tx| {
                tx.rows(LOG, &[], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))
            });
            let log = log.unwrap();
            let size = log.len() as i64;
            let expected: Vec<_> = (0..size).map(|seq| (seq, size, size)).collect();
            assert_eq!(log, expected);
        }
    }
}

/// One caller of a round.
struct Caller {
    name: String,
    scope: Scope,
    fault: Option<Fault>,
}

/// What the callers of a round share.
struct Round {
    bed: Arc<Bed>,
    callers: Vec<Caller>,
    /// Whether the first has the connection.
    opened: AtomicBool,
    /// Those who are about to ask for it.
    arrived: AtomicUsize,
    runs: [AtomicUsize; WAYS.len()],
}

impl Round {
    fn new(bed: &Arc<Bed>, fault: Fault, guilty: usize, number: usize) -> Arc<Round> {
        let caller = |at: usize| Caller {
            name: format!("{fault:?} {guilty} {number} {at}"),
            scope: bed.scopes[at % 2].clone(),
            fault: (at == guilty).then_some(fault),
        };
        Arc::new(Round {
            bed: Arc::clone(bed),
            callers: (0..WAYS.len()).map(caller).collect(),
            opened: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            runs: [const { AtomicUsize::new(0) }; WAYS.len()],
        })
    }

    /// The closure of caller `at`.
    fn body(&self, at: usize, tx: &mut dyn Tx) -> Result<(), StoreError> {
        let run = self.runs[at].fetch_add(1, Ordering::SeqCst);
        if at == 0 && run == 0 {
            self.opened.store(true, Ordering::SeqCst);
            wait_until(|| self.arrived.load(Ordering::SeqCst) == WAYS.len() - 1);
            // From "about to ask" to asleep before the lock.
            pause(Duration::from_millis(20));
        }
        let caller = &self.callers[at];
        self.bed.write(tx, &caller.name, caller.fault)
    }

    fn call(self: &Arc<Round>, at: usize) -> Result<(), StoreError> {
        let store: &dyn Store = &self.bed.store;
        let scope = &self.callers[at].scope;
        if at > 0 {
            wait_until(|| self.opened.load(Ordering::SeqCst));
            self.arrived.fetch_add(1, Ordering::SeqCst);
        }
        let own = Arc::clone(self);
        match WAYS[at] {
            Way::Borrowed => store.write("test", scope, |tx| self.body(at, tx)),
            Way::Owned => store.write_owned("test", scope, move |tx| own.body(at, tx)),
            Way::Submitted => {
                let (told, outcome) = mpsc::channel();
                let work = move |tx: &mut dyn Tx| own.body(at, tx);
                store.submit("test", scope, work, move |outcome| told.send(outcome).unwrap());
                outcome.recv().expect("an outcome")
            }
        }
    }

    fn start(self: &Arc<Round>, at: usize, answers: &Sender<(usize, Result<(), StoreError>)>) {
        let (own, answers) = (Arc::clone(self), answers.clone());
        // Not scoped: a caller that sleeps for ever must not keep the test from saying so.
        std::thread::spawn(move || answers.send((at, own.call(at))));
    }

    /// Runs all; tells whether an innocent had to run again, and so had shared its batch.
    fn run(self: &Arc<Round>) -> bool {
        let (answers, answered) = mpsc::channel();
        (0..WAYS.len()).for_each(|at| self.start(at, &answers));
        for _ in WAYS {
            let (at, result) = answered.recv_timeout(ANSWER_MAX).expect("an answer to everybody");
            self.check(at, &result);
        }
        self.bed.check_logs();
        let runs = |at: usize| self.runs[at].load(Ordering::SeqCst);
        (0..WAYS.len()).any(|at| self.callers[at].fault.is_none() && runs(at) > 1)
    }

    fn check(&self, at: usize, result: &Result<(), StoreError>) {
        let caller = &self.callers[at];
        for sql in [ROWS, NUMBERED] {
            let there = self.bed.texts(&caller.scope, sql).contains(&caller.name);
            assert_eq!(there, result.is_ok(), "{}: {result:?}", caller.name);
        }
        match (caller.fault, result) {
            (None, Ok(())) => {}
            (Some(fault), Err(error)) if fault.is_told_by(error) => {}
            _ => panic!("{}: {result:?}", caller.name),
        }
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        pause(Duration::from_millis(1));
    }
    panic!("what must happen did not");
}

/// The guilty one opens the batch, and joins it in each of the three ways.
fn all_survive(bed: &Arc<Bed>, fault: Fault) {
    for guilty in 0..4 {
        let mut shared = false;
        for number in 0..ROUNDS_MAX {
            shared |= Round::new(bed, fault, guilty, number).run();
            if shared || !fault.spoils_the_batch(guilty) {
                break;
            }
        }
        assert!(shared || !fault.spoils_the_batch(guilty), "nobody ever shared a batch");
        // The writer goes on, for one alone as well.
        let store: &dyn Store = &bed.store;
        let name = format!("{fault:?} {guilty} after");
        let alone = store.write("test", &bed.scopes[0], |tx| bed.write(tx, &name, None));
        assert_eq!(alone, Ok(()));
    }
}

fn on_both(fault: Fault) {
    all_survive(&Bed::over(SqliteStore::open_in_memory().unwrap()), fault);
    let home = tempfile::tempdir().unwrap();
    all_survive(&Bed::over(SqliteStore::open(&home.path().join("a.db")).unwrap()), fault);
}

#[test]
fn a_reference_that_fails_at_commit_is_its_writers_fault_alone() {
    on_both(Fault::DeferredReference);
}

#[test]
fn a_refused_commit_is_its_writers_fault_alone() {
    on_both(Fault::RefusedCommit);
}

#[test]
fn an_entry_that_cannot_be_numbered_is_its_writers_fault_alone() {
    on_both(Fault::SequencerStatement);
    on_both(Fault::SequencerRollback);
}

#[test]
fn a_lost_transaction_is_its_losers_fault_alone() {
    on_both(Fault::Rollback);
}

#[test]
fn a_database_at_its_limit_refuses_only_what_does_not_fit() {
    let home = tempfile::tempdir().unwrap();
    for store in [SqliteStore::open_in_memory(), SqliteStore::open(&home.path().join("a.db"))] {
        let bed = Bed::over(store.unwrap());
        bed.store.writer.with_connection(|connection| {
            let pages: i64 =
                connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
            let limit = pages + 256;
            connection.execute_batch(&format!("PRAGMA max_page_count = {limit}")).unwrap();
        });
        all_survive(&bed, Fault::Full);
    }
}

/// Tells a copy of this program where to write under a limit of the file size.
#[cfg(unix)]
const DIRECTORY_VARIABLE: &str = "AGENTIDP_TEST_LIMITED_DIRECTORY";

#[cfg(unix)]
#[test]
fn a_write_that_fails_at_commit_is_its_writers_fault_alone() {
    let home = tempfile::tempdir().unwrap();
    // 4 MiB in a POSIX shell's units; the signal ignored, so that the write fails and nobody is killed.
    let limited = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    let child = std::process::Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args(["store::sqlite::store::commit_faults::limited_child", "--exact", "--nocapture"])
        .env(DIRECTORY_VARIABLE, home.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}{}", String::from_utf8_lossy(&child.stdout));
    assert!(home.path().join("done").exists(), "the child ran");
}

/// Does nothing unless it runs as a child of the test above.
#[cfg(unix)]
#[test]
fn limited_child() {
    let Some(home) = std::env::var_os(DIRECTORY_VARIABLE) else { return };
    let home = std::path::Path::new(&home);
    let bed = Bed::over(SqliteStore::open(&home.join("a.db")).unwrap());
    all_survive(&bed, Fault::FileSize);
    std::fs::write(home.join("done"), "").unwrap();
}
