//! The store over one SQLite database.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use rusqlite::Connection;

use crate::base::limits;
use crate::store::{
    Body, Done, OwnedBody, SchemaState, Scope, Store, StoreError, Verdict, migrate,
};

use super::checkpoint;
use super::connection::{self, Location, ScopeCell};
use super::failure;
use super::helper::Helper;
use super::tx::SqliteTx;
use super::writer::Writer;

/// Connections that read side by side. More would wait for the two or four cores anyway.
const READERS: usize = 4;

/// A store in a SQLite file, or in memory.
pub struct SqliteStore {
    // Dropped before the writer, as the helpers are: the connection that closes last takes the
    // write-ahead log into the database, and one that only reads cannot.
    readers: Mutex<Vec<Reader>>,
    returned: Condvar,
    /// Leads the batches of callers that do not wait, and goes on for one that led its own. Without it they
    /// wait, and lead one after the other.
    committer: OnceLock<Option<Helper>>,
    /// Keeps the log short, once it has grown. Without it a commit does, now and then.
    checkpointer: OnceLock<Option<Helper>>,
    /// Writes the heads that lag behind their logs. Without it they are when the store is closed.
    heads: OnceLock<Option<Helper>>,
    writer: Arc<Writer>,
    location: Location,
}

struct Reader {
    connection: Connection,
    scope: ScopeCell,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Opens the database in the file `path`, made if it is not there, and applies what its schema
    /// lacks.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or its schema is not ours to use.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        Self::start(&Location::File(path.to_owned()), migrate::Mode::Apply)
    }

    /// Opens the database in the file `path`, whose schema must be the newest that we know.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or its schema is not ours to use.
    pub fn open_current(path: &Path) -> Result<SqliteStore, StoreError> {
        Self::start(&Location::File(path.to_owned()), migrate::Mode::Check)
    }

    /// Opens the database in the file `path` to look at it, whatever its schema is.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or read.
    pub fn open_as_it_is(path: &Path) -> Result<(SqliteStore, SchemaState), StoreError> {
        let location = Location::File(path.to_owned());
        let writer = Writer::open_looking(&location)?;
        let applied = writer.with_connection(|connection| applied_migrations(connection))?;
        // A connection that may write takes the log into the database when it is closed. The file of
        // another program is none of its business.
        let writer = if applied.is_some() {
            drop(writer);
            Writer::open(&location).or_else(|_| Writer::open_looking(&location))?
        } else {
            writer
        };
        let state = SchemaState::of(migrate::SQLITE, &applied.unwrap_or_default());
        Ok((Self::over(writer, &location)?, state))
    }

    /// Opens an empty database in memory. It is gone when the store is dropped.
    ///
    /// # Errors
    /// [`StoreError`] when memory fails.
    pub fn open_in_memory() -> Result<SqliteStore, StoreError> {
        Self::start(&Location::new_memory(), migrate::Mode::Apply)
    }

    fn start(location: &Location, mode: migrate::Mode) -> Result<SqliteStore, StoreError> {
        refuse_foreign(location)?;
        let writer = Writer::open(location)?;
        writer.with_connection(|connection| {
            migrate_sqlite(connection, mode)?;
            connection::build_write_walls(connection)
        })?;
        Self::over(writer, location)
    }

    fn over(writer: Writer, location: &Location) -> Result<SqliteStore, StoreError> {
        // In memory a reader runs only while nobody writes, so more than one would be idle.
        let readers = if location.is_memory() { 1 } else { READERS };
        let readers = (0..readers)
            .map(|_| connection::open_reader(location))
            .map(|opened| opened.map(|(connection, scope)| Reader { connection, scope }))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(SqliteStore {
            readers: Mutex::new(readers),
            returned: Condvar::new(),
            committer: OnceLock::new(),
            checkpointer: OnceLock::new(),
            heads: OnceLock::new(),
            writer: Arc::new(writer),
            location: location.clone(),
        })
    }

    /// Whether there is a thread that leads in the place of callers; started when it is first needed.
    fn has_committer(&self) -> bool {
        let lead = |writer: &Writer| writer.lead(usize::MAX);
        let start = || Helper::start("agentidp-commit", &self.writer, Writer::committer, lead);
        self.committer.get_or_init(start).is_some()
    }

    /// Starts the thread that keeps the log short, once there is something for it to do.
    fn keep_the_log_short(&self) {
        if !self.writer.log_has_grown() || self.checkpointer.get().is_some() {
            return;
        }
        self.checkpointer.get_or_init(|| {
            let Location::File(_) = self.location else { return None };
            let beside = connection::open_checkpointer(&self.location).ok()?;
            let work = move |writer: &Writer| checkpoint::run(&beside, writer);
            Helper::start("agentidp-log", &self.writer, Writer::checkpointer, work)
        });
    }

    /// Starts the threads that there is something to do for.
    fn start_helpers(&self) {
        self.keep_the_log_short();
        self.keep_heads_near();
    }

    /// Starts the thread that writes heads, once one lags.
    fn keep_heads_near(&self) {
        if !self.writer.heads().has_rung() || self.heads.get().is_some() {
            return;
        }
        self.heads.get_or_init(|| {
            let write = |writer: &Writer| {
                writer.heads().pause(limits::HEAD_LAG_LIFE);
                writer.write_heads();
            };
            Helper::start("agentidp-heads", &self.writer, Writer::heads, write)
        });
    }

    fn take_reader(&self) -> Result<Reader, StoreError> {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut readers, _) = self
            .returned
            .wait_timeout_while(readers, limits::BUSY_WAIT_MAX, |readers| readers.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        readers.pop().ok_or(StoreError::Busy)
    }
}

impl Store for SqliteStore {
    fn write_tx(
        &self,
        _name: &'static str,
        scope: &Scope,
        body: &mut Body<'_>,
    ) -> Result<(), StoreError> {
        let answer = self.writer.write(scope, body);
        self.start_helpers();
        answer
    }

    fn write_owned_tx(
        &self,
        _name: &'static str,
        scope: &Scope,
        body: Box<OwnedBody>,
    ) -> Result<(), StoreError> {
        let answer = self.writer.write_owned(scope, body, || self.has_committer());
        self.start_helpers();
        answer
    }

    fn submit_tx(&self, _name: &'static str, scope: &Scope, body: Box<OwnedBody>, done: Done) {
        if self.has_committer() {
            self.writer.submit(scope, body, done);
            self.start_helpers();
        } else {
            done(self.writer.write_owned(scope, body, || false));
        }
    }

    fn submits(&self) -> bool {
        self.has_committer()
    }

    fn read_tx(&self, scope: &Scope, body: &mut Body<'_>) -> Result<(), StoreError> {
        let reader = Lent { store: self, reader: Some(self.take_reader()?) };
        let Some(Reader { connection, scope: cell }) = &reader.reader else {
            return Err(StoreError::NotRun);
        };
        if self.location.is_memory() {
            // The in-memory engine has no snapshots: it must not commit while somebody reads.
            self.writer.between_batches(|_| read(connection, cell, scope, body))
        } else {
            read(connection, cell, scope, body)
        }
    }

    fn is_hot_row_cheap(&self) -> bool {
        true
    }

    fn settle(&self) -> Result<(), StoreError> {
        // Every commit numbers its own entries.
        Ok(())
    }
}

fn read(
    connection: &Connection,
    cell: &ScopeCell,
    scope: &Scope,
    body: &mut Body<'_>,
) -> Result<(), StoreError> {
    let run = |sql: &str| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map_err(|error| failure::failing(&error))
    };
    run("BEGIN")?;
    cell.set(Some(scope));
    let mut tx = SqliteTx::new(connection, scope);
    let verdict = body(&mut tx);
    cell.set(None);
    let failure = tx.into_failure();
    run("COMMIT")?;
    failure.filter(|_| verdict == Verdict::Commit).map_or(Ok(()), Err)
}

/// A reader that finds its way back, also from a closure that panics.
struct Lent<'s> {
    store: &'s SqliteStore,
    reader: Option<Reader>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.scope.set(None);
            if !reader.connection.is_autocommit() {
                let _ = reader.connection.execute_batch("ROLLBACK");
            }
            self.store.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            self.store.returned.notify_one();
        }
    }
}

/// Brings the schema up to date, or checks that it is.
fn migrate_sqlite(connection: &mut Connection, mode: migrate::Mode) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| failure::failing(&error);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let result = apply_migrations(connection, mode);
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute_batch(end).map_err(failed);
    result.and(ended)
}

/// Versions and checksums of migrations, oldest first.
type Applied = Vec<(i64, Vec<u8>)>;

/// The migrations that were applied; `None` where the schema was never begun.
fn applied_migrations(connection: &Connection) -> Result<Option<Applied>, StoreError> {
    let failed = |error: rusqlite::Error| failure::failing(&error);
    let exists: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations')",
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if !exists {
        return Ok(None);
    }
    let mut statement = connection
        .prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")
        .map_err(failed)?;
    let applied = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect::<Result<Applied, _>>)
        .map_err(failed)?;
    Ok(Some(applied))
}

/// Refuses the file of another program before anything of it is changed. What cannot even be looked
/// at is left to the connection that writes, which has the better message.
fn refuse_foreign(location: &Location) -> Result<(), StoreError> {
    if !matches!(location, Location::File(path) if path.is_file()) {
        return Ok(());
    }
    let foreign = connection::open_looking(location).is_ok_and(|(connection, _)| {
        let begun = applied_migrations(&connection).map(|applied| applied.is_some());
        begun == Ok(false) && holds_tables(&connection) == Ok(true)
    });
    if foreign { Err(StoreError::NotOurs) } else { Ok(()) }
}

/// Whether some program has put tables into the file.
fn holds_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let any =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\')";
    connection.query_row(any, [], |row| row.get(0))
}

fn apply_migrations(connection: &Connection, mode: migrate::Mode) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| failure::failing(&error);
    let applied = applied_migrations(connection)?;
    let begun = applied.is_some();
    if !begun && holds_tables(connection).map_err(failed)? {
        return Err(StoreError::NotOurs);
    }
    for migration in migrate::plan(migrate::SQLITE, &applied.unwrap_or_default(), mode)? {
        if !begun && migration.version == 1 {
            connection.execute_batch(migrate::SQLITE_BOOKKEEPING).map_err(failed)?;
        }
        connection.execute_batch(migration.sql).map_err(failed)?;
        connection
            .execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (?1, ?2, ?3)",
                rusqlite::params![
                    migration.version,
                    migration.name,
                    migration.checksum().as_slice()
                ],
            )
            .map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod commit_faults;
#[cfg(test)]
mod lagging_heads;

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::base::{OrgId, SystemClock, SystemRng};
    use crate::store::{Tx, Value};

    const ROWS: &str = "SELECT organization_id, event_id FROM outbox
        WHERE organization_id = ?1 AND event_id LIKE ?2";

    /// The planner looks at what is bound, and would plan again for every other value.
    #[test]
    fn a_statement_is_planned_once_whatever_is_bound() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("agentidp.db")).unwrap();
        for pattern in ["a%", "b%", "c"] {
            let scope = Scope::Org(OrgId::generate(&SystemClock, &SystemRng).unwrap());
            let read = (&store as &dyn Store).read::<_, StoreError>(&scope, |tx| {
                tx.tenant_rows(ROWS, &[Value::Text(pattern)], |_| Ok(()))
            });
            assert!(read.unwrap().is_empty());
        }
        for reader in store.readers.lock().unwrap().iter() {
            let statement = reader.connection.prepare_cached(ROWS).unwrap();
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }

    /// No trigger looks at new rows of the log.
    #[test]
    fn an_organization_puts_nothing_into_the_log_of_another() {
        const PUT: &str = "INSERT INTO audit_logs
                (organization_id, log_number, seq, event_id, entry, previous_hash, hash)
            SELECT ?2, h.log_number, 0, 'e', '{}', x'00', x'00' FROM audit_heads h
            WHERE h.organization_id = ?2 AND ?1 <> ''";
        const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
            VALUES (?1, 0, x'00', x'')";
        const HELD: &str = "SELECT organization_id FROM audit_logs WHERE organization_id = ?1";
        let store: &dyn Store = &SqliteStore::open_in_memory().unwrap();
        let [own, foreign] = [(); 2].map(|()| OrgId::generate(&SystemClock, &SystemRng).unwrap());
        for organization in [&own, &foreign] {
            let scope = Scope::Org(organization.clone());
            store.write::<_, StoreError>("open", &scope, |tx| tx.execute(OPEN_LOG, &[])).unwrap();
        }
        let scope = Scope::Org(own.clone());
        let put = |into: &[&OrgId]| {
            store.write::<_, StoreError>("test", &scope, |tx| {
                let mut rows = 0;
                for organization in into {
                    rows += tx.execute(PUT, &[Value::Text(organization.as_str())])?;
                }
                Ok(rows)
            })
        };
        let held = |organization: &OrgId| {
            let scope = Scope::Org(organization.clone());
            let rows = store.read::<_, StoreError>(&scope, |tx| tx.rows(HELD, &[], |_| Ok(())));
            rows.unwrap().len()
        };
        assert_eq!(put(&[&foreign]), Err(StoreError::TenantWall));
        assert_eq!(put(&[&own, &foreign]), Err(StoreError::TenantWall), "nor beside its own");
        assert_eq!((held(&own), held(&foreign)), (0, 0));
        assert_eq!(put(&[&own]), Ok(1));
        assert!(matches!(put(&[&own]), Err(StoreError::Constraint(_))), "it is there already");
        assert_eq!((held(&own), held(&foreign)), (1, 0));
    }

    #[test]
    fn what_panics_when_it_is_let_go_takes_nobody_along() {
        struct Brittle;
        impl Drop for Brittle {
            fn drop(&mut self) {
                assert!(std::thread::panicking(), "as the test asks");
            }
        }
        let store = SqliteStore::open_in_memory().unwrap();
        let (told, outcomes) = std::sync::mpsc::channel();
        for brittle in [Some(Brittle), None] {
            let told = told.clone();
            let body = Box::new(move |_: &mut dyn Tx| {
                let _held = &brittle;
                Verdict::Commit
            });
            let done = Box::new(move |outcome| told.send(outcome).unwrap());
            store.submit_tx("test", &Scope::Instance, body, done);
            assert_eq!(outcomes.recv_timeout(limits::BUSY_WAIT_MAX), Ok(Ok(())));
        }
    }

    #[test]
    fn who_panics_when_told_takes_nobody_along() {
        let store = SqliteStore::open_in_memory().unwrap();
        let submit = |done| {
            let body = Box::new(|_: &mut dyn Tx| Verdict::Commit);
            store.submit_tx("test", &Scope::Instance, body, done);
        };
        let (told, outcomes) = std::sync::mpsc::channel();
        for panics in [true, false, true, false] {
            let told = told.clone();
            submit(Box::new(move |outcome| {
                assert!(!panics, "as the test asks");
                told.send(outcome).unwrap();
            }));
        }
        for _ in 0..2 {
            assert_eq!(outcomes.recv_timeout(limits::BUSY_WAIT_MAX), Ok(Ok(())));
        }
    }

    #[test]
    fn who_is_told_an_outcome_may_drop_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&directory.path().join("agentidp.db")).unwrap());
        let (told, outcome) = std::sync::mpsc::channel();
        let last = Arc::clone(&store);
        let done = move |result: Result<(), StoreError>| {
            while Arc::strong_count(&last) > 1 {
                std::thread::yield_now();
            }
            drop(last);
            told.send(result).unwrap();
        };
        let body = Box::new(|_: &mut dyn Tx| Verdict::Commit);
        store.submit_tx("test", &Scope::Instance, body, Box::new(done));
        drop(store);
        assert_eq!(outcome.recv_timeout(limits::BUSY_WAIT_MAX), Ok(Ok(())));
    }

    const ADD: &str = "INSERT INTO outbox
            (organization_id, event_id, subscription_id, event_type, payload, created_at)
        VALUES (?1, ?2, 's', 't', '{}', 0)";

    /// What the file holds without its log.
    fn rows_without_the_log(path: &Path) -> i64 {
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
        let name = format!("file:{}?immutable=1", path.display());
        let file = Connection::open_with_flags(name, flags).unwrap();
        file.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap_or(0)
    }

    /// `add` writes a row of that name.
    fn the_log_is_taken_in(add: impl Fn(&dyn Store, &Scope, String)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agentidp.db");
        let store = SqliteStore::open(&path).unwrap();
        let scope = Scope::Org(OrgId::generate(&SystemClock, &SystemRng).unwrap());
        let mut added = 0;
        while rows_without_the_log(&path) == 0 {
            assert!(added < 20_000, "the log is taken in");
            for _ in 0..50 {
                add(&store, &scope, format!("{added}"));
                added += 1;
            }
        }
        let log = std::fs::metadata(directory.path().join("agentidp.db-wal")).unwrap().len();
        assert!(log < u64::from(connection::LOG_PAGES) * 4096, "and SQLite itself had not begun");
        drop(store);
        assert_eq!(rows_without_the_log(&path), added);
    }

    fn added(tx: &mut dyn Tx, name: &str) -> Result<u64, StoreError> {
        tx.execute(ADD, &[Value::Text(name)])
    }

    #[test]
    fn the_log_is_taken_in_beside_callers_that_wait() {
        the_log_is_taken_in(|store, scope, name| {
            assert_eq!(store.write("test", scope, |tx| added(tx, &name)), Ok(1));
        });
    }

    #[test]
    fn the_log_is_taken_in_beside_a_committer_that_goes_on() {
        let (told, outcomes) = std::sync::mpsc::channel();
        the_log_is_taken_in(move |store, scope, name| {
            let told = told.clone();
            let work = move |tx: &mut dyn Tx| added(tx, &name);
            store.submit("test", scope, work, move |added| told.send(added).unwrap());
            assert_eq!(outcomes.recv(), Ok(Ok(1)));
        });
    }

    #[test]
    fn an_entry_that_would_never_have_a_number_is_refused() {
        let store = SqliteStore::open_in_memory().unwrap();
        let scope = Scope::Org(OrgId::generate(&SystemClock, &SystemRng).unwrap());
        let params = [Value::Text("e"), Value::Text("{}")];
        let store: &dyn Store = &store;
        let put =
            store.write("test", &scope, |tx| tx.execute(crate::store::audit::APPEND, &params));
        assert_eq!(put, Err(StoreError::TenantWall));
    }

    #[test]
    fn a_closed_database_is_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agentidp.db");
        let store = SqliteStore::open(&path).unwrap();
        let (told, outcome) = std::sync::mpsc::channel();
        let done = Box::new(move |result| told.send(result).unwrap());
        store.submit_tx("test", &Scope::Instance, Box::new(|_| Verdict::Commit), done);
        assert_eq!(outcome.recv(), Ok(Ok(())));
        drop(store);
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
