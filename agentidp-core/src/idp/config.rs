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
    /// PostgreSQL 15 or newer, by its URL (`postgres://user:password@host:port/database`).
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
/// ```
/// use agentidp_core::{Config, Idp, KekSource};
/// # let home = tempfile::tempdir()?;
/// # let home = home.path();
///
/// let config = Config::sqlite(home.join("agentidp.db"))
///     .kek(KekSource::file(home.join("kek.key")))
///     .issuer("https://idp.example.com");
/// let idp = Idp::open(config)?;
/// assert_eq!(idp.status().issuer.as_str(), "https://idp.example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    ///
    /// ```
    /// use std::sync::Arc;
    /// use agentidp_core::store::SqliteStore;
    /// use agentidp_core::{Config, Database, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// let store = Arc::new(SqliteStore::open_in_memory()?);
    /// let config = Config::new(Database::Opened(store)).kek(KekSource::file(kek));
    /// let idp = Idp::open(config.issuer("https://idp.example.com"))?;
    /// idp.probe()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// An instance in a PostgreSQL database (15 or newer), by its URL:
    /// `postgres://user:password@host:port/database`. Its role must be one that row security binds.
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

    /// The issuer, by the rules of [`Issuer`](crate::Issuer). A new instance needs it; one that exists must
    /// have the same.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Config {
        self.issuer = Some(issuer.into());
        self
    }

    /// Refuses a database that belongs to another instance than this.
    ///
    /// ```
    /// use agentidp_core::{Config, ErrorCode, Idp, InstanceId, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = || Config::sqlite(&database).kek(KekSource::file(&kek));
    /// let id = Idp::open(config().issuer("https://idp.example.com"))?.status().instance_id;
    /// Idp::open(config().instance(id))?;
    ///
    /// let another = InstanceId::parse("01900000-0000-7000-8000-000000000001")?;
    /// let refused = Idp::open(config().instance(another)).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::DatabaseForeign);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{Alg, jose};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let config = Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com");
    /// let idp = Idp::open(config.token_alg(Alg::EdDsa))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request)?.access_token;
    /// assert_eq!(jose::parse_compact(&token)?.header().alg(), "EdDSA");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn token_alg(mut self, alg: Alg) -> Config {
        self.token_alg = alg;
        self
    }

    /// How long the instance's keys sign, and how long they are published before. [`Idp::open`](super::Idp::open)
    /// refuses a policy that breaks a rule.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::{ErrorCode, KeyPolicy};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let config = Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com");
    /// // Those who verify may keep a key set for ten minutes: they could not have the new key yet.
    /// let hasty = KeyPolicy::default().publish_before(Duration::from_secs(60));
    /// let refused = Idp::open(config.key_policy(hasty)).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::ConfigInvalid);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// use std::sync::Arc;
    /// use agentidp_core::{Clock, Timestamp};
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let config = Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com");
    /// /// It is always the same time here.
    /// #[derive(Debug)]
    /// struct Stopped;
    ///
    /// impl Clock for Stopped {
    ///     fn now(&self) -> Timestamp {
    ///         Timestamp::from_seconds(1_795_316_400)
    ///     }
    /// }
    ///
    /// let idp = Idp::open(config.clock(Arc::new(Stopped)))?;
    /// let org = idp.create_org(NewOrg::new("acme"))?;
    /// assert_eq!(org.created_at.to_string(), "2026-11-22T03:00:00Z");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Refuses a schema that lacks a migration, instead of applying it: see
    /// [`Idp::migrate`](super::Idp::migrate).
    #[must_use]
    pub fn without_migrating(mut self) -> Config {
        self.migrate = false;
        self
    }
}
