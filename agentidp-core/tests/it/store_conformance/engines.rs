//! The engines that the store's tests run on, and statements that they share.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use agentidp_core::store::PostgresStore;
use agentidp_core::store::Scope;
use agentidp_core::store::{SqliteStore, Store, StoreError, Tx, Value};
use agentidp_core::{OrgId, SystemClock, SystemRng};
#[cfg(feature = "postgres")]
use agentidp_testkit::{Session, TestDatabase};

/// Runs tests of one argument, a fresh [`Bed`], on each engine.
macro_rules! on_every_engine {
    ($($test:ident,)*) => {
        mod sqlite_memory {
            $(#[test] fn $test() { super::$test(&$crate::store_conformance::engines::Bed::memory()); })*
        }
        mod sqlite_file {
            $(#[test] fn $test() { super::$test(&$crate::store_conformance::engines::Bed::file()); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $test() { super::$test(&$crate::store_conformance::engines::Bed::postgres()); })*
        }
    };
}
pub(crate) use on_every_engine;

/// A store over a fresh database.
pub(crate) struct Bed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) place: Place,
}

/// Where the database lies. It goes with the value.
pub(crate) enum Place {
    Memory,
    File(tempfile::TempDir),
    #[cfg(feature = "postgres")]
    Server(TestDatabase),
}

impl Bed {
    pub(crate) fn memory() -> Bed {
        let store = SqliteStore::open_in_memory().unwrap();
        Bed { store: Arc::new(store), place: Place::Memory }
    }

    pub(crate) fn file() -> Bed {
        Bed::at(Place::File(tempfile::tempdir().unwrap()))
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres() -> Bed {
        Bed::at(Place::Server(TestDatabase::new()))
    }

    fn at(place: Place) -> Bed {
        Bed { store: place.open().unwrap(), place }
    }

    /// The store's transactions, as callers have them.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// A new organization.
    pub(crate) fn organization(&self) -> OrgId {
        let id = new_organization();
        let scope = Scope::Org(id.clone());
        self.store()
            .write::<_, StoreError>("organization", &scope, |tx| {
                tx.execute(INSERT_ORGANIZATION, &[])
            })
            .unwrap();
        id
    }

    /// How many agents an organization has.
    pub(crate) fn agents(&self, organization: &OrgId) -> i64 {
        let scope = Scope::Org(organization.clone());
        self.store().read::<_, StoreError>(&scope, |tx| int(tx, COUNT_AGENTS, &[])).unwrap()
    }
}

impl Place {
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Place::Memory => Arc::new(SqliteStore::open_in_memory()?),
            Place::File(directory) => Arc::new(SqliteStore::open(&file_in(directory.path()))?),
            #[cfg(feature = "postgres")]
            Place::Server(database) => Arc::new(PostgresStore::open(&database.url())?),
        })
    }

    pub(crate) fn open_current(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Place::Memory => return Err(StoreError::NotRun),
            Place::File(directory) => {
                Arc::new(SqliteStore::open_current(&file_in(directory.path()))?)
            }
            #[cfg(feature = "postgres")]
            Place::Server(database) => Arc::new(PostgresStore::open_current(&database.url())?),
        })
    }

    /// Runs `sql` behind the store's back, without any wall but the schema.
    pub(crate) fn raw(&self, sql: &str) -> Result<(), String> {
        match self {
            Place::Memory => Err("nothing gets behind a database in memory".to_owned()),
            Place::File(directory) => {
                let file = rusqlite::Connection::open(file_in(directory.path())).unwrap();
                file.execute_batch("PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;")
                    .unwrap();
                file.execute_batch(sql).map_err(|error| error.to_string())
            }
            #[cfg(feature = "postgres")]
            Place::Server(database) => {
                Session::connect(&database.superuser_url()).try_run(sql).map(|_| ())
            }
        }
    }
}

pub(crate) fn file_in(directory: &Path) -> std::path::PathBuf {
    directory.join("agentidp.db")
}

pub(crate) fn new_organization() -> OrgId {
    OrgId::generate(&SystemClock, &SystemRng).unwrap()
}

pub(crate) const INSERT_ORGANIZATION: &str = "INSERT INTO organizations
        (organization_id, slug, name, plan_tier, max_agents, max_tokens_per_month,
         rate_limit_per_minute, status, version, created_at, updated_at)
    VALUES (?1, ?1, 'name', 'free', 1, 1, 1, 'active', 1, 0, 0)";

pub(crate) const INSERT_AGENT: &str = "INSERT INTO agents
        (organization_id, agent_id, did, name, description, owner, scopes, audiences, status,
         version, created_at, updated_at)
    VALUES (?1, ?2, 'did', ?3, ?4, NULL, '', '', 'active', 1, ?5, 0)";

pub(crate) const COUNT_AGENTS: &str = "SELECT count(*) FROM agents WHERE organization_id = ?1";

/// Adds an agent of nothing but an id.
pub(crate) fn add_agent(tx: &mut dyn Tx, id: &str) -> Result<(), StoreError> {
    let params = [Value::Text(id), Value::Text("name"), Value::text_or_null(None), Value::Int(0)];
    tx.execute(INSERT_AGENT, &params).map(|_| ())
}

/// The integer in the first column of the last row.
pub(crate) fn int(
    tx: &mut dyn Tx,
    sql: &'static str,
    params: &[Value<'_>],
) -> Result<i64, StoreError> {
    let mut int = 0;
    tx.query(sql, params, &mut |row| {
        int = row.int(0)?;
        Ok(())
    })?;
    Ok(int)
}

/// The text in the first column of each row.
pub(crate) fn texts(
    tx: &mut dyn Tx,
    sql: &'static str,
    params: &[Value<'_>],
) -> Result<Vec<String>, StoreError> {
    let mut texts = Vec::new();
    tx.query(sql, params, &mut |row| {
        texts.push(row.text(0)?.to_owned());
        Ok(())
    })?;
    Ok(texts)
}
