//! The store over one PostgreSQL database.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::base::{limits, pause};
use crate::store::{Body, SchemaState, Scope, Store, StoreError, Tx, Verdict, migrate::Mode};

use super::actor::Access;
use super::migrate;
use super::pool::Pool;
use super::sequencing::{self, Sequencing};
use super::tx::PostgresTx;

/// Threads that talk to the server. They only move bytes; the work is the callers' and the server's.
const WORKER_THREADS: usize = 2;
/// The first pause before a transaction is run again.
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// A store in a PostgreSQL database.
///
/// It owns its threads: two that talk to the server and one that numbers audit entries. Calls block
/// the calling thread, which may be any, also one of a runtime of the caller's own.
pub struct PostgresStore {
    core: Arc<Core>,
    /// Absent where the database is only looked at.
    sequencing: Option<Sequencing>,
    _runtime: OwnRuntime,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the URL: it may hold a password.
        f.write_str("PostgresStore")
    }
}

impl PostgresStore {
    /// Opens the database at `url` and applies what its schema lacks.
    ///
    /// # Errors
    /// [`StoreError::RoleTooStrong`] when row security would not bind the role, and other
    /// [`StoreError`]s when the database cannot be reached or its schema is not ours to use.
    pub fn open(url: &str) -> Result<PostgresStore, StoreError> {
        Self::start(url, Mode::Apply)
    }

    /// Opens the database at `url`, whose schema must be the newest that we know.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`StoreError::SchemaOutdated`].
    pub fn open_current(url: &str) -> Result<PostgresStore, StoreError> {
        Self::start(url, Mode::Check)
    }

    /// Opens the database at `url` to look at it, whatever its schema is. It numbers no entries.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be reached or read.
    pub fn open_as_it_is(url: &str) -> Result<(PostgresStore, SchemaState), StoreError> {
        let (core, runtime) = Core::connect(url)?;
        let state = core.ask(|pool| async move { migrate::look(&pool).await })?;
        Ok((PostgresStore { core, sequencing: None, _runtime: runtime }, state))
    }

    fn start(url: &str, mode: Mode) -> Result<PostgresStore, StoreError> {
        let (core, runtime) = Core::connect(url)?;
        core.ask(|pool| async move { migrate::run(&pool, mode).await })?;
        let sequencing = Some(Sequencing::start(&core)?);
        Ok(PostgresStore { core, sequencing, _runtime: runtime })
    }
}

impl Store for PostgresStore {
    fn write_tx(
        &self,
        _name: &'static str,
        scope: &Scope,
        body: &mut Body<'_>,
    ) -> Result<(), StoreError> {
        if self.core.run(scope, Access::Write, body)? == Verdict::Commit {
            self.sequencing.iter().for_each(Sequencing::wake);
        }
        Ok(())
    }

    fn read_tx(&self, scope: &Scope, body: &mut Body<'_>) -> Result<(), StoreError> {
        self.core.run(scope, Access::Read, body).map(|_| ())
    }

    fn is_hot_row_cheap(&self) -> bool {
        false
    }

    fn settle(&self) -> Result<(), StoreError> {
        sequencing::settle(&self.core)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.sequencing.iter_mut().for_each(Sequencing::stop);
    }
}

/// What callers and the sequencer's thread share.
pub(super) struct Core {
    runtime: Handle,
    pool: Arc<Pool>,
}

impl Core {
    fn connect(url: &str) -> Result<(Arc<Core>, OwnRuntime), StoreError> {
        let pool = Arc::new(Pool::new(url)?);
        let runtime = OwnRuntime::new()?;
        Ok((Arc::new(Core { runtime: runtime.handle()?, pool }), runtime))
    }

    /// Runs `work` on the store's own threads and waits for it.
    fn ask<T: Send + 'static, F>(&self, work: impl FnOnce(Arc<Pool>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (answer, answered) = mpsc::channel();
        let work = work(Arc::clone(&self.pool));
        self.runtime.spawn(async move {
            let _ = answer.send(work.await);
        });
        answered.recv().unwrap_or(Err(StoreError::NotRun))
    }

    /// Runs `body`, again where the database asks for that, and tells how it ended.
    fn run(
        &self,
        scope: &Scope,
        access: Access,
        body: &mut Body<'_>,
    ) -> Result<Verdict, StoreError> {
        let mut attempt = 1;
        loop {
            let mut tx = PostgresTx::begin(&self.runtime, &self.pool, scope, access);
            let verdict = body(&mut tx);
            match tx.finish(verdict) {
                Ok(verdict) => return Ok(verdict),
                Err(failure) if failure.again && attempt < limits::TX_ATTEMPTS_MAX => {
                    pause(jittered(RETRY_PAUSE * attempt));
                    attempt += 1;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// [`run`](Self::run) for work that only the store's own errors can end.
    pub(super) fn answer<T>(
        &self,
        access: Access,
        mut work: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut answer = Err(StoreError::NotRun);
        self.run(&Scope::Instance, access, &mut |tx| {
            answer = work(tx);
            if answer.is_ok() { Verdict::Commit } else { Verdict::Rollback }
        })?;
        answer
    }
}

/// Between half of `pause` and one and a half of it, so that two that collided do not do so again.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 1000.0)
}

/// A runtime that may be dropped anywhere: dropping a bare one inside another's thread panics.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn new() -> Result<OwnRuntime, StoreError> {
        Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("agentidp-postgres")
            .enable_all()
            .build()
            .map(|runtime| OwnRuntime(Some(runtime)))
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    fn handle(&self) -> Result<Handle, StoreError> {
        self.0.as_ref().map(|runtime| runtime.handle().clone()).ok_or(StoreError::NotRun)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
