//! The engines that the verbs are tested on.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use agentidp_core::store::{SqliteStore, Store};
use agentidp_core::{Config, Database, Idp, KekSource};
use agentidp_testkit::TestIdp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    File,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// An empty store, its file if it has one, and what must outlive it.
pub(super) type Opened = (Arc<dyn Store>, Option<PathBuf>, Box<dyn Any>);

impl Engine {
    pub(super) fn open(self) -> Opened {
        match self {
            Engine::Memory => {
                (Arc::new(SqliteStore::open_in_memory().unwrap()), None, Box::new(()))
            }
            Engine::File => {
                let home = tempfile::tempdir().unwrap();
                let path = home.path().join("agentidp.db");
                (Arc::new(SqliteStore::open(&path).unwrap()), Some(path), Box::new(home))
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres => {
                let database = agentidp_testkit::TestDatabase::new();
                let store = agentidp_core::store::PostgresStore::open(&database.url()).unwrap();
                (Arc::new(store), None, Box::new(database))
            }
        }
    }

    /// An instance, and other handles to it over stores of their own, as several processes have them.
    /// What lives in memory has one store.
    pub(super) fn processes(self, others: usize) -> (TestIdp, Vec<Idp>) {
        let (store, file, guard) = self.open();
        let again: Box<dyn Fn() -> Arc<dyn Store>> = match self {
            Engine::Memory => {
                let store = store.clone();
                Box::new(move || store.clone())
            }
            Engine::File => {
                let path = file.clone().unwrap();
                Box::new(move || Arc::new(SqliteStore::open(&path).unwrap()))
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres => {
                let url = guard.downcast_ref::<agentidp_testkit::TestDatabase>().unwrap().url();
                Box::new(move || Arc::new(agentidp_core::store::PostgresStore::open(&url).unwrap()))
            }
        };
        let test = TestIdp::over(store, file, guard);
        let open = |_| {
            let config = Config::new(Database::Opened(again()))
                .kek(KekSource::file(test.kek_path()))
                .clock(test.clock.clone());
            Idp::open_existing(config).unwrap()
        };
        let others = (0..others).map(open).collect();
        (test, others)
    }

    pub(super) fn idp(self) -> TestIdp {
        let (store, file, guard) = self.open();
        TestIdp::over(store, file, guard)
    }
}
