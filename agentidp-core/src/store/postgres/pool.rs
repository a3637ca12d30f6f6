//! The connections.
//!
//! sqlx's own pool asks each connection whether it lives whenever it comes back, which is a round
//! trip for each transaction. Here one that fails to begin is replaced by a fresh one instead.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Executor as _, Row as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::base::limits;
use crate::store::StoreError;

use super::failure::Failure;

/// Statements kept prepared on each connection: more than there are.
const PREPARED_STATEMENTS_MAX: usize = 256;
/// A connection unused for so long may have been forgotten by a firewall on the way.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Made in one message when a connection opens. The answer tells whether row security binds us.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off'";

const ROLE: &str =
    "SELECT rolname::text, rolsuper OR rolbypassrls, current_setting('server_encoding')
    FROM pg_catalog.pg_roles WHERE rolname = current_user";

pub(super) struct Pool {
    options: PgConnectOptions,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    permits: Arc<Semaphore>,
}

/// A connection and the right to have it.
pub(super) struct Lease {
    pub(super) connection: PgConnection,
    /// Whether it was used before, and so may have died unnoticed since.
    pub(super) used: bool,
    permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool of connections to `url`. Opens none.
    pub(super) fn new(url: &str) -> Result<Pool, StoreError> {
        // What sqlx says of a URL may repeat a part of it, and so of the password: say it ourselves.
        let unreadable = || {
            StoreError::Unavailable(
                "the database URL cannot be read: postgres://user:password@host:port/database is expected"
                    .to_owned(),
            )
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(unreadable());
        }
        let mut options: PgConnectOptions = url.parse().map_err(|_| unreadable())?;
        if options.get_application_name().is_none() {
            options = options.application_name("agentidp");
        }
        Ok(Pool {
            options: options
                .statement_cache_capacity(PREPARED_STATEMENTS_MAX)
                .disable_statement_logging(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(limits::POSTGRES_CONNECTIONS_MAX as usize)),
        })
    }

    /// Waits for a connection.
    pub(super) async fn acquire(&self) -> Result<Lease, Failure> {
        let permit = timeout(limits::BUSY_WAIT_MAX, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Failure::of(StoreError::Busy))?
            .map_err(|_| Failure::lost("the store is closed").opening())?;
        match self.take_idle() {
            Some(connection) => Ok(Lease { connection, used: true, permit }),
            None => Ok(Lease { connection: self.connect().await?, used: false, permit }),
        }
    }

    /// Replaces a connection that turned out to be dead. The idle ones died with it: the server was
    /// restarted, most likely.
    pub(super) async fn replace(&self, dead: Lease) -> Result<Lease, Failure> {
        let Lease { permit, .. } = dead;
        self.idle().clear();
        Ok(Lease { connection: self.connect().await?, used: false, permit })
    }

    /// Takes back a connection that no transaction is open on.
    pub(super) fn release(&self, lease: Lease) {
        let Lease { connection, permit, .. } = lease;
        self.idle().push((connection, Instant::now()));
        drop(permit);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last. When that one is too old, all are.
    fn take_idle(&self) -> Option<PgConnection> {
        let mut idle = self.idle();
        let (connection, since) = idle.pop()?;
        if since.elapsed() > IDLE_MAX {
            idle.clear();
            return None;
        }
        Some(connection)
    }

    async fn connect(&self) -> Result<PgConnection, Failure> {
        let opened = timeout(limits::BUSY_WAIT_MAX, async {
            let mut connection = self.options.connect().await.map_err(|e| Failure::running(&e))?;
            settle_in(&mut connection).await?;
            Ok(connection)
        });
        match opened.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(failure)) => Err(Failure::opening(failure)),
            Err(_) => Err(Failure::lost("the server did not answer in time").opening()),
        }
    }
}

/// Refuses a role that row security does not bind, before anything else is done, then makes the
/// connection's settings.
async fn settle_in(connection: &mut PgConnection) -> Result<(), Failure> {
    let failed = |error: sqlx::Error| Failure::running(&error);
    let row = connection.fetch_one(sqlx::raw_sql(ROLE)).await.map_err(failed)?;
    if row.try_get::<bool, _>(1).map_err(failed)? {
        let role = row.try_get(0).map_err(failed)?;
        return Err(Failure::of(StoreError::RoleTooStrong { role }));
    }
    let encoding: &str = row.try_get(2).map_err(failed)?;
    if encoding != "UTF8" {
        let detail = format!("the database's encoding is {encoding}, and UTF8 is needed");
        return Err(Failure::of(StoreError::Unavailable(detail)));
    }
    connection.execute(sqlx::raw_sql(SETTINGS)).await.map_err(failed)?;
    Ok(())
}
