//! The database itself: which schema it has, whose it is, and bringing it up to date.
//!
//! Needs no key-encryption key, and looks at what [`Idp`] refuses to open.

use std::sync::Arc;

use crate::base::InstanceId;
use crate::error::ErrorCode;
use crate::ops::OpenError;
#[cfg(feature = "postgres")]
use crate::store::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::SqliteStore;
use crate::store::{SchemaState, Scope, Store, StoreError, installation};

use super::handle::open_store;
use super::{Config, Database, Error, Idp};

/// What a database is, whether or not this program would run on it.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaStatus {
    /// The engine: `sqlite` or `postgres`.
    pub engine: &'static str,
    /// The last migration applied; 0 where there is none.
    pub schema_version: i64,
    /// The newest migration this program knows.
    pub schema_version_known: i64,
    /// The instance in it, if one was made.
    pub instance_id: Option<InstanceId>,
    /// That instance's issuer.
    pub issuer: Option<String>,
    #[serde(skip)]
    refusal: Option<StoreError>,
}

impl SchemaStatus {
    /// Why [`Config::without_migrating`] would refuse the schema; `None` where it would not.
    pub fn refusal(&self) -> Option<OpenError> {
        self.refusal.clone().map(OpenError::from)
    }

    /// Whether a migration is missing and nothing else is wrong.
    pub fn is_outdated(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.code() == ErrorCode::SchemaOutdated)
    }
}

impl Idp {
    /// What the database of `config` is. Neither the key nor the schema has to fit.
    ///
    /// ```
    /// use agentidp_core::{Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = || Config::sqlite(&database).kek(KekSource::file(&kek));
    /// Idp::open(config().issuer("https://idp.example.com"))?;
    /// let status = Idp::schema_status(&config())?;
    /// assert_eq!(status.schema_version, status.schema_version_known);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`] when there is no database, it cannot be read, or `config` has it open already.
    pub fn schema_status(config: &Config) -> Result<SchemaStatus, Error> {
        Ok(look(&config.database)?.1)
    }

    /// Applies the migrations that the database of `config` lacks, and tells what it is then.
    ///
    /// A database without an instance, or of another one than `config` expects, is left alone.
    ///
    /// ```
    /// use agentidp_core::{Config, ErrorCode, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = || Config::sqlite(&database).kek(KekSource::file(&kek));
    /// let nothing = Idp::migrate(&config()).unwrap_err();
    /// assert_eq!(nothing.code(), ErrorCode::NotInitialized);
    ///
    /// Idp::open(config().issuer("https://idp.example.com"))?;
    /// let status = Idp::migrate(&config())?;
    /// assert_eq!(status.schema_version, status.schema_version_known);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`] when there is no instance, it is not the right one, or its schema cannot be brought up
    /// to date.
    pub fn migrate(config: &Config) -> Result<SchemaStatus, Error> {
        let before = Self::schema_status(config)?;
        let Some(found) = &before.instance_id else {
            return Err(OpenError::NotInitialized.into());
        };
        if config.instance.as_ref().is_some_and(|expected| expected != found) {
            return Err(OpenError::Foreign(format!("it is instance {found}")).into());
        }
        drop(open_store(&config.database, true)?);
        Self::schema_status(config)
    }
}

/// Opens a database to look at it, and tells what it is.
pub(super) fn look(database: &Database) -> Result<(Arc<dyn Store>, SchemaStatus), OpenError> {
    let (engine, store, state): (_, Arc<dyn Store>, _) = match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite(path) if path.exists() => {
            let (store, state) = SqliteStore::open_as_it_is(path)?;
            ("sqlite", Arc::new(store), state)
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(_) | Database::Memory => return Err(OpenError::NotInitialized),
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => {
            let (store, state) = PostgresStore::open_as_it_is(url)?;
            ("postgres", Arc::new(store), state)
        }
        Database::Opened(_) => return Err(OpenError::ConfigMissing("the database")),
    };
    let status = status(engine, &*store, state)?;
    Ok((store, status))
}

fn status(
    engine: &'static str,
    store: &dyn Store,
    state: SchemaState,
) -> Result<SchemaStatus, OpenError> {
    let identity = match state.found {
        0 => None,
        _ => store.read::<_, StoreError>(&Scope::Instance, installation::identity)?,
    };
    let (instance_id, issuer) = identity.unzip();
    Ok(SchemaStatus {
        engine,
        schema_version: state.found,
        schema_version_known: state.known,
        instance_id,
        issuer,
        refusal: state.refusal,
    })
}
