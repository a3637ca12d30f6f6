//! What an instance is opened with.

#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{Clock, InstanceId, Rng, SystemClock, SystemRng};
use crate::crypto::{Alg, CryptoProvider, KekSource};
use crate::model::KeyPolicy;
#[cfg(feature = "policy-rego")]
use crate::policy::RegoPolicy;
use crate::policy::Rules;
use crate::store::Store;

/// Where the data lives.
#[derive(Clone)]
#[non_exhaustive]
pub enum Database {
    /// A SQLite file, made if it is not there.
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    /// SQLite in memory: gone when the last handle is dropped.
    #[cfg(feature = "sqlite")]
    Memory,
    /// PostgreSQL, by its URL, which may hold a password.
    #[cfg(feature = "postgres")]
    Postgres(String),
    /// A store that was opened already, such as one that a test injects faults into.
    Opened(Arc<dyn Store>),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => "Sqlite",
            #[cfg(feature = "sqlite")]
            Database::Memory => "Memory",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "Postgres(redacted)",
            Database::Opened(_) => "Opened",
        })
    }
}

/// How to open an instance.
///
/// ```no_run
/// use agentidp_core::{Config, Idp, KekSource};
///
/// let config = Config::sqlite("agentidp.db")
///     .kek(KekSource::file("kek.key"))
///     .issuer("https://idp.example.com");
/// let idp = Idp::open(config)?;
/// # Ok::<(), agentidp_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Config {
    pub(super) database: Database,
    pub(super) kek: Option<KekSource>,
    pub(super) issuer: Option<String>,
    pub(super) instance: Option<InstanceId>,
    pub(super) token_alg: Alg,
    pub(super) key_policy: KeyPolicy,
    pub(super) rules: Rules,
    pub(super) provider: CryptoProvider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) migrate: bool,
}

impl Config {
    /// An instance in that database.
    pub fn new(database: Database) -> Config {
        Config {
            database,
            kek: None,
            issuer: None,
            instance: None,
            token_alg: Alg::Es256,
            key_policy: KeyPolicy::default(),
            rules: Rules::default(),
            provider: CryptoProvider::default_provider(),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            migrate: true,
        }
    }

    /// An instance in a SQLite file.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(path: impl Into<PathBuf>) -> Config {
        Config::new(Database::Sqlite(path.into()))
    }

    /// An instance in memory, for tests and examples.
    #[cfg(feature = "sqlite")]
    pub fn memory() -> Config {
        Config::new(Database::Memory)
    }

    /// An instance in a PostgreSQL database.
    #[cfg(feature = "postgres")]
    pub fn postgres(url: impl Into<String>) -> Config {
        Config::new(Database::Postgres(url.into()))
    }

    /// The key that protects all others. Where it is a file, it is made with the instance.
    #[must_use]
    pub fn kek(mut self, source: KekSource) -> Config {
        self.kek = Some(source);
        self
    }

    /// The issuer. A new instance needs it; one that exists must have the same.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Config {
        self.issuer = Some(issuer.into());
        self
    }

    /// Refuses a database that belongs to another instance than this.
    #[must_use]
    pub fn instance(mut self, instance: InstanceId) -> Config {
        self.instance = Some(instance);
        self
    }

    /// The algorithm that tokens are signed with: ES256 unless given.
    ///
    /// A new instance has its key from the start. One that has none yet gets it when it is opened, and
    /// tokens are signed with it once it was published for as long as the [`KeyPolicy`] says; until
    /// then with ES256. RS256 needs the provider on aws-lc.
    #[must_use]
    pub fn token_alg(mut self, alg: Alg) -> Config {
        self.token_alg = alg;
        self
    }

    /// How long the instance's keys sign, and how long they are published before.
    #[must_use]
    pub fn key_policy(mut self, policy: KeyPolicy) -> Config {
        self.key_policy = policy;
        self
    }

    /// The policy that decides what agents may do, in the stead of the table of
    /// [`Action`](crate::Action).
    #[cfg(feature = "policy-rego")]
    #[must_use]
    pub fn policy(mut self, policy: RegoPolicy) -> Config {
        self.rules = Rules::Rego(policy);
        self
    }

    /// The provider of signatures.
    #[must_use]
    pub fn provider(mut self, provider: CryptoProvider) -> Config {
        self.provider = provider;
        self
    }

    /// The source of time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Config {
        self.clock = clock;
        self
    }

    /// The source of randomness.
    #[must_use]
    pub fn rng(mut self, rng: Arc<dyn Rng>) -> Config {
        self.rng = rng;
        self
    }

    /// Refuses a schema that lacks a migration, instead of applying it.
    #[must_use]
    pub fn without_migrating(mut self) -> Config {
        self.migrate = false;
        self
    }
}
