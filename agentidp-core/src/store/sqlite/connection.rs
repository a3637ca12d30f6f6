//! A connection as every part of this engine wants it, and the tenant walls on it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};

use crate::base::{SYSTEM_ORG, limits, pause};
use crate::store::{Scope, StoreError};

use super::{failure, log_wall};

/// Statements kept prepared on each connection: more than there are.
const PREPARED_STATEMENTS_MAX: usize = 256;

/// Pages that the write-ahead log holds before SQLite takes them into the database itself: 96 MB. With its
/// usual 4 MB an instance of many organizations writes the same pages there again and again, and its
/// writers wait for that each time (ADR 0033).
pub(super) const LOG_PAGES: u32 = 24_000;

/// Memory for pages of the connection that writes, in KiB, written as SQLite wants it. It goes through all pages
/// that it holds at each commit in which a page was split, while everybody waits, and finds what it does not
/// hold in the system's memory.
const WRITER_CACHE: i64 = -3072;

/// Tables that instance statements may read; all other tenant tables open to their organization alone.
const INSTANCE_READS: [&str; 4] = ["directory", "organizations", "audit_logs", "audit_heads"];

/// Tables that instance statements may write: those of a batch's end, and those that are purged.
const INSTANCE_WRITES: [&str; 6] = [
    "audit_logs",
    "audit_heads",
    "token_usage",
    "revoked_tokens",
    "single_uses",
    "idempotency_keys",
];

/// Where the database lies.
#[derive(Debug, Clone)]
pub(super) enum Location {
    File(PathBuf),
    /// In memory, under a name that connections of this process share.
    Memory(String),
}

impl Location {
    pub(super) fn new_memory() -> Location {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Location::Memory(format!(
            "file:/agentidp-{}?vfs=memdb",
            NEXT.fetch_add(1, Ordering::Relaxed)
        ))
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Location::Memory(_))
    }

    /// Makes the file where there is none, for its owner's eyes alone: the trail names who did what.
    /// SQLite gives the log beside it the same mode.
    fn create_private(&self) {
        let Location::File(path) = self else { return };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Where it is there already, or cannot be, SQLite has the better message.
        let _ = options.open(path);
    }

    fn open(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        match self {
            Location::File(path) => Connection::open_with_flags(path, flags),
            Location::Memory(name) => {
                Connection::open_with_flags(Path::new(name), flags | OpenFlags::SQLITE_OPEN_URI)
            }
        }
    }
}

/// The scope of the transaction that a connection runs, as the walls' SQL functions see it.
#[derive(Debug, Clone, Default)]
pub(super) struct ScopeCell(Arc<Mutex<Scoped>>);

#[derive(Debug, Default)]
struct Scoped {
    scope: Option<Scope>,
    /// Rows of the log that were put there in this scope, which is not the instance.
    entries: Vec<i64>,
}

impl ScopeCell {
    pub(super) fn set(&self, scope: Option<&Scope>) {
        let mut scoped = self.lock();
        scoped.scope = scope.cloned();
        scoped.entries.clear();
    }

    /// The rows of the log that were put there in this scope by a statement of its own.
    pub(super) fn take_entries(&self) -> Vec<i64> {
        std::mem::take(&mut self.lock().entries)
    }

    pub(super) fn note_entry(&self, row: i64) {
        let mut scoped = self.lock();
        if !matches!(scoped.scope, Some(Scope::Instance)) {
            scoped.entries.push(row);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Scoped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a row of `organization` belongs to the scope.
    fn owns(&self, organization: &str) -> bool {
        match &self.lock().scope {
            Some(Scope::Org(own)) => own.as_str() == organization,
            Some(Scope::Instance) | None => false,
        }
    }

    /// Whether a row of `organization` belongs to the scope, or the scope is the instance.
    fn reaches(&self, organization: &str) -> bool {
        match &self.lock().scope {
            Some(Scope::Org(own)) => own.as_str() == organization,
            Some(Scope::Instance) => true,
            None => false,
        }
    }
}

/// The connection that writes. Foreign rows are refused by triggers once the walls stand.
pub(super) fn open_writer(location: &Location) -> Result<(Connection, ScopeCell), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    location.create_private();
    let mut connection = location.open(flags).map_err(|error| failure::opening(&error))?;
    prepare(&mut connection)?;
    if !location.is_memory() {
        keep_a_log(&connection)?;
    }
    // Without recursive_triggers a REPLACE would delete the row in its way unseen by any trigger.
    // Without secure_delete a data key that was destroyed would stay in the unused part of its page;
    // FAST wipes pages that are written anyway, and no others.
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_spill = OFF;
             PRAGMA recursive_triggers = ON; PRAGMA secure_delete = FAST;",
        )
        .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES))
        .and_then(|()| connection.pragma_update(None, "cache_size", WRITER_CACHE))
        .map_err(|error| failure::opening(&error))?;
    let scope = ScopeCell::default();
    add_functions(&connection, &scope)?;
    log_wall::watch(&mut connection, &scope)?;
    Ok((connection, scope))
}

/// Turns the write-ahead log on. Where another process is about to do the same, SQLite answers that
/// the file is busy without asking the busy handler.
fn keep_a_log(connection: &Connection) -> Result<(), StoreError> {
    let mut tried = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Ok(()) => return Ok(()),
            Err(error) if failure::failing(&error) == StoreError::Busy && fair_wait(tried) => {
                tried += 1;
            }
            Err(error) => return Err(failure::opening(&error)),
        }
    }
}

/// A connection that takes the log into the database, and does nothing else.
pub(super) fn open_checkpointer(location: &Location) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = location.open(flags).map_err(|error| failure::opening(&error))?;
    connection
        .execute_batch("PRAGMA synchronous = FULL;")
        .map_err(|error| failure::opening(&error))?;
    Ok(connection)
}

/// A connection that only looks, at whatever the file holds: nothing of it is changed, also not how
/// it keeps its journal.
pub(super) fn open_looking(location: &Location) -> Result<(Connection, ScopeCell), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = location.open(flags).map_err(|error| failure::opening(&error))?;
    prepare(&mut connection)?;
    let scope = ScopeCell::default();
    add_functions(&connection, &scope)?;
    Ok((connection, scope))
}

/// A connection that reads. What it sees of tenant tables are views of its scope.
pub(super) fn open_reader(location: &Location) -> Result<(Connection, ScopeCell), StoreError> {
    let flags = match location {
        Location::File(_) => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Location::Memory(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let mut connection = location
        .open(flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| failure::opening(&error))?;
    prepare(&mut connection)?;
    let scope = ScopeCell::default();
    add_functions(&connection, &scope)?;
    let views = wall_statements(&connection, &INSTANCE_READS, |table, predicate| {
        format!(
            "CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE {predicate}(organization_id);\n"
        )
    })?;
    connection.execute_batch(&views).map_err(|error| failure::opening(&error))?;
    connection.pragma_update(None, "query_only", 1).map_err(|error| failure::opening(&error))?;
    Ok((connection, scope))
}

/// The instance's own tables, which anybody may read and the `system` organization alone may write.
const SYSTEM_TABLES: [&str; 3] = ["instance", "peppers", "signing_keys"];

/// Builds the third wall on a writing connection: TEMP triggers, which no other program's schema
/// holds, so that another tool may still repair the file.
pub(super) fn build_write_walls(connection: &Connection) -> Result<(), StoreError> {
    let triggers = wall_statements(connection, &INSTANCE_WRITES, |table, predicate| {
        let refuse = format!("BEGIN SELECT RAISE(ABORT, '{}'); END;\n", failure::WALL);
        let on = format!("ON main.{table} FOR EACH ROW WHEN NOT");
        let insert = format!(
            "CREATE TEMP TRIGGER wall_insert_{table} BEFORE INSERT {on} {predicate}(NEW.organization_id) {refuse}"
        );
        let insert = if table == log_wall::ENTRIES { "" } else { &insert };
        format!(
            "{insert}CREATE TEMP TRIGGER wall_update_{table} BEFORE UPDATE {on} \
               ({predicate}(OLD.organization_id) AND {predicate}(NEW.organization_id)) {refuse}\
             CREATE TEMP TRIGGER wall_delete_{table} BEFORE DELETE {on} {predicate}(OLD.organization_id) {refuse}"
        )
    })?;
    let system: String = SYSTEM_TABLES
        .iter()
        .flat_map(|table| ["INSERT", "UPDATE", "DELETE"].map(|change| (table, change)))
        .map(|(table, change)| {
            format!(
                "CREATE TEMP TRIGGER wall_{change}_{table} BEFORE {change} ON main.{table}
                 FOR EACH ROW WHEN NOT scope_owns('{SYSTEM_ORG}')
                 BEGIN SELECT RAISE(ABORT, '{}'); END;\n",
                failure::WALL
            )
        })
        .collect();
    // Entries wait in memory: one in the table would never get its number.
    let nothing_pending = format!(
        "CREATE TEMP TRIGGER nothing_pending BEFORE INSERT ON main.audit_pending
         BEGIN SELECT RAISE(ABORT, '{}'); END;",
        failure::WALL
    );
    connection
        .execute_batch(&triggers)
        .and_then(|()| connection.execute_batch(&system))
        .and_then(|()| connection.execute_batch(&nothing_pending))
        .map_err(|error| failure::opening(&error))
}

fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
    connection.busy_handler(Some(fair_wait)).map_err(|error| failure::opening(&error))?;
    // Without it SQLite plans a statement again whenever a value is bound that its planner looked at,
    // which costs ten times what running it does.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(|error| failure::opening(&error))?;
    connection
        .execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -12288;")
        .map_err(|error| failure::opening(&error))
}

/// Waits for another process in short steps. SQLite's own handler sleeps up to 100 ms at a time and
/// so loses every race against a busy neighbour that asks more often.
fn fair_wait(count: i32) -> bool {
    const STEP: Duration = Duration::from_micros(500);
    let steps_max = limits::BUSY_WAIT_MAX.as_micros() / STEP.as_micros();
    let goes_on = u128::try_from(count).unwrap_or(0) < steps_max;
    if goes_on {
        pause(STEP);
    }
    goes_on
}

fn add_functions(connection: &Connection, scope: &ScopeCell) -> Result<(), StoreError> {
    let (owns, reaches) = (scope.clone(), scope.clone());
    connection
        .create_scalar_function("scope_owns", 1, FunctionFlags::SQLITE_UTF8, move |call| {
            Ok(call.get_raw(0).as_str().is_ok_and(|organization| owns.owns(organization)))
        })
        .and_then(|()| {
            connection.create_scalar_function(
                "scope_reaches",
                1,
                FunctionFlags::SQLITE_UTF8,
                move |call| {
                    Ok(call
                        .get_raw(0)
                        .as_str()
                        .is_ok_and(|organization| reaches.reaches(organization)))
                },
            )
        })
        .map_err(|error| failure::opening(&error))
}

/// One statement for each tenant table, which is each table with an `organization_id`: a table that
/// a later migration adds is walled without anybody having to remember it.
fn wall_statements(
    connection: &Connection,
    open_to_instance: &[&str],
    statement: impl Fn(&str, &str) -> String,
) -> Result<String, StoreError> {
    const TENANT_TABLES: &str = "SELECT m.name FROM main.sqlite_schema m \
         JOIN pragma_table_info(m.name) c ON c.name = 'organization_id' \
         WHERE m.type = 'table' ORDER BY m.name";
    let mut tables = connection.prepare(TENANT_TABLES).map_err(|error| failure::opening(&error))?;
    let names = tables
        .query_map([], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failure::opening(&error))?;
    Ok(names
        .iter()
        .map(|name| {
            let instance = open_to_instance.contains(&name.as_str());
            statement(name, if instance { "scope_reaches" } else { "scope_owns" })
        })
        .collect())
}
