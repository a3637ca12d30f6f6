//! Looking at an instance that may be out of order, as `agentidp doctor` does.

use std::sync::Arc;

use crate::audit::ChainReport;
use crate::base::{SystemClock, SystemRng};
use crate::model::HealthCheck;
use crate::ops::OpenError;
use crate::ops::examine::{self, Reach, Subject};
use crate::store::Store;

use super::schema::look;
use super::{Config, Database, Error, Idp, SchemaStatus};

impl Idp {
    /// Looks at the instance that `config` describes, also where [`Idp::open`] refuses it, and
    /// changes nothing: the database, its schema, whose it is, the key-encryption key, the signing
    /// keys, the audit trails, the clock and the randomness, one check each.
    ///
    /// The trails of at most `trails_max` organizations are verified, `system` first; `progress` is
    /// told after each how many are done.
    ///
    /// ```
    /// use agentidp_core::{Config, HealthStatus, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = || Config::sqlite(&database).kek(KekSource::file(&kek));
    /// Idp::open(config().issuer("https://idp.example.com"))?;
    /// let checks = Idp::examine(config(), 100, &mut |_done| {});
    /// assert!(checks.iter().all(|check| check.status == HealthStatus::Ok), "{checks:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn examine(
        config: Config,
        trails_max: usize,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<HealthCheck> {
        let entropy = examine::entropy(&*config.rng);
        let (mut checks, store) = database(&config.database);
        checks.extend(match store {
            Some(store) => {
                let subject = Subject {
                    store,
                    provider: config.provider,
                    clock: config.clock,
                    rng: config.rng,
                    kek: config.kek,
                    issuer: config.issuer,
                    instance: config.instance,
                    token_alg: config.token_alg,
                };
                examine::instance(&subject, &mut Reach { trails_max, progress })
            }
            None => examine::without_database(config.kek.as_ref(), &*config.clock),
        });
        checks.push(entropy);
        checks
    }

    /// Verifies the trail of the organization of that slug or id, also where [`Idp::open`] refuses the
    /// instance: it needs no key. `progress` is told now and then how many entries are done.
    ///
    /// ```
    /// use agentidp_core::{Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// Idp::open(Config::sqlite(&database).kek(KekSource::file(&kek)).issuer("https://idp.example.com"))?;
    /// let report = Idp::examine_trail(&Config::sqlite(&database), "system", &mut |_done| {})?;
    /// assert!(report.valid);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read, holds no instance or another than `config` says, or has
    /// no such organization.
    pub fn examine_trail(
        config: &Config,
        slug_or_id: &str,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ChainReport, Error> {
        let store = match &config.database {
            Database::Opened(store) => Arc::clone(store),
            database => {
                let (store, status) = look(database)?;
                match status.refusal() {
                    Some(refusal) => return Err(refusal.into()),
                    None => store,
                }
            }
        };
        let expected = (config.issuer.as_deref(), config.instance.as_ref());
        Ok(examine::trail(&*store, expected, slug_or_id, progress)??)
    }

    /// Looks at what needs no instance: the system's clock and its randomness.
    ///
    /// ```
    /// use agentidp_core::{HealthStatus, Idp};
    /// let checks = Idp::examine_machine();
    /// let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    /// assert_eq!(names, ["clock", "entropy"]);
    /// assert!(checks.iter().all(|check| check.status == HealthStatus::Ok), "{checks:?}");
    /// ```
    pub fn examine_machine() -> Vec<HealthCheck> {
        vec![examine::clock(&SystemClock, None, None), examine::entropy(&SystemRng)]
    }
}

/// Looks at the database and its schema. The store, where the tables in it are those that our
/// statements read.
fn database(database: &Database) -> (Vec<HealthCheck>, Option<Arc<dyn Store>>) {
    const NAME: &str = "database";
    if let Database::Opened(store) = database {
        let detail = "opened already, and so its schema is ours";
        return (vec![HealthCheck::ok(NAME, detail)], Some(Arc::clone(store)));
    }
    match look(database) {
        Ok((store, status)) => {
            let database = HealthCheck::ok(NAME, format!("{}, can be read", status.engine));
            let checks = vec![database, schema(&status)];
            (checks, status.refusal().is_none().then_some(store))
        }
        Err(OpenError::NotInitialized) => (vec![examine::no_instance(NAME), no_schema()], None),
        Err(error) => {
            let failed = HealthCheck::failed(NAME, error.to_string(), error.code().hint());
            (vec![failed, no_schema()], None)
        }
    }
}

fn no_schema() -> HealthCheck {
    HealthCheck::skipped("schema", "not looked at: there is no database to be read")
}

fn schema(status: &SchemaStatus) -> HealthCheck {
    const NAME: &str = "schema";
    match status.refusal() {
        None => HealthCheck::ok(NAME, format!("version {}", status.schema_version)),
        Some(refusal) => HealthCheck::failed(NAME, refusal.to_string(), refusal.code().hint()),
    }
}
