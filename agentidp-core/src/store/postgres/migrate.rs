//! Brings the schema up to date, or checks that it is.

use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, Row as _};

use crate::store::migrate::{self, Migration, Mode};
use crate::store::{SchemaState, StoreError};

use super::failure::Failure;
use super::pool::Pool;

/// Two programs that start at once must not both migrate. A migration may take longer than a
/// statement may; to wait for the lock it may not.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 0;
    SELECT pg_advisory_xact_lock(4702111234474983745)";

const EXISTS: &str = "SELECT to_regclass('schema_migrations') IS NOT NULL";
const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";
const RECORD: &str = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)";

/// Applies each migration that is missing in a transaction of its own, or refuses if one is.
pub(super) async fn run(pool: &Pool, mode: Mode) -> Result<(), StoreError> {
    let mut lease = pool.acquire().await.map_err(|failure| failure.error)?;
    if mode == Mode::Check {
        let applied = applied(&mut lease.connection).await?;
        migrate::plan(migrate::POSTGRES, &applied, mode)?;
    } else {
        while apply_next(&mut lease.connection).await? {}
    }
    pool.release(lease);
    Ok(())
}

/// Compares the schema with the one that we know, and changes nothing.
pub(super) async fn look(pool: &Pool) -> Result<SchemaState, StoreError> {
    let mut lease = pool.acquire().await.map_err(|failure| failure.error)?;
    let applied = applied(&mut lease.connection).await?;
    pool.release(lease);
    Ok(SchemaState::of(migrate::POSTGRES, &applied))
}

/// Applies the oldest migration that is missing. On an error the caller drops the connection, and
/// the transaction with it.
async fn apply_next(connection: &mut PgConnection) -> Result<bool, StoreError> {
    connection.execute(sqlx::raw_sql(BEGIN)).await.map_err(|error| failed(&error))?;
    let applied = applied(connection).await?;
    let missing = migrate::plan(migrate::POSTGRES, &applied, Mode::Apply)?;
    if let Some(migration) = missing.first() {
        if applied.is_empty() {
            run_script(connection, migrate::POSTGRES_BOOKKEEPING).await?;
        }
        run_script(connection, migration.sql).await?;
        record(connection, migration).await?;
    }
    run_script(connection, "COMMIT").await?;
    Ok(missing.len() > 1)
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let exists = connection.fetch_one(sqlx::query(EXISTS)).await.map_err(|error| failed(&error))?;
    if !exists.try_get::<bool, _>(0).map_err(|error| failed(&error))? {
        return Ok(Vec::new());
    }
    let rows = connection.fetch_all(sqlx::query(APPLIED)).await.map_err(|error| failed(&error))?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, sqlx::Error>>()
        .map_err(|error| failed(&error))
}

async fn run_script(connection: &mut PgConnection, script: &'static str) -> Result<(), StoreError> {
    connection.execute(sqlx::raw_sql(script)).await.map(|_| ()).map_err(|error| failed(&error))
}

async fn record(connection: &mut PgConnection, migration: &Migration) -> Result<(), StoreError> {
    let checksum = migration.checksum();
    let query =
        sqlx::query(RECORD).bind(migration.version).bind(migration.name).bind(checksum.as_slice());
    connection.execute(query).await.map(|_| ()).map_err(|error| failed(&error))
}

fn failed(error: &sqlx::Error) -> StoreError {
    Failure::running(error).error
}
