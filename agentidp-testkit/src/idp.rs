//! A whole instance for a test, on any engine, which is verified when the test ends.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use agentidp_core::store::{Scope, Store, StoreError};
use agentidp_core::{
    Agent, Config, Database, Idp, IssuedCredential, KekSource, NewAgent, NewCredential, NewOrg,
    Org, OrgId, PlanTier, Timestamp, TokenRequest,
};
use tempfile::TempDir;

use crate::stored::Stored;
use crate::{FaultStore, TestClock};

/// The audience of every agent that [`TestIdp::two_orgs`] makes.
pub const API: &str = "https://api.example.com";

/// The issuer of every [`TestIdp`].
pub const ISSUER: &str = "https://idp.example.com";

/// An instance with a clock and faults that a test steers. Call [`finish`](Self::finish) at its end.
///
/// ```
/// use agentidp_testkit::{API, TestIdp};
/// use std::time::Duration;
/// let test = TestIdp::in_memory();
/// let acme = test.tenant("acme");
/// let token = test.idp.token(&acme.request())?.access_token;
/// assert!(test.idp.verifier().verify_access_token(&token, API).is_ok());
/// test.clock.step(Duration::from_secs(2 * 3600));
/// assert!(test.idp.verifier().verify_access_token(&token, API).is_err(), "it has expired");
/// test.finish();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestIdp {
    /// The instance.
    pub idp: Idp,
    /// Its store, which fails where it is armed to.
    pub store: Arc<FaultStore>,
    /// Its clock.
    pub clock: Arc<TestClock>,
    home: TempDir,
    file: Option<PathBuf>,
    canaries: Mutex<Vec<String>>,
    /// A throw-away server database, or whatever else the store lies in.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "only a server is asked for")
    )]
    guard: Box<dyn Any>,
}

/// An organization with an agent and its secret.
pub struct Tenant {
    /// The organization.
    pub org: Org,
    /// Its agent.
    pub agent: Agent,
    /// The agent's credential.
    pub credential: IssuedCredential,
}

impl Tenant {
    /// A request of the agent for a token for [`API`].
    pub fn request(&self) -> TokenRequest {
        TokenRequest::client_credentials(&self.agent.client_id, self.credential.secret())
    }
}

impl TestIdp {
    /// A new instance over `inner`, whose file, if it is one, is searched for secrets at the end.
    /// `guard` is dropped after the instance, such as the `TestDatabase` that it lies in, which is then
    /// searched in the file's stead.
    pub fn over(inner: Arc<dyn Store>, file: Option<PathBuf>, guard: Box<dyn Any>) -> TestIdp {
        let home = tempfile::tempdir().expect("a directory");
        let store = Arc::new(FaultStore::new(inner));
        let clock = Arc::new(TestClock::at(Timestamp::from_seconds(1_795_316_400)));
        let config = Config::new(Database::Opened(store.clone()))
            .kek(KekSource::file(home.path().join("kek.key")))
            .issuer(ISSUER)
            .clock(clock.clone());
        TestIdp {
            idp: Idp::create(config).expect("an instance"),
            store,
            clock,
            home,
            file,
            canaries: Mutex::default(),
            guard,
        }
    }

    /// A new instance in memory.
    pub fn in_memory() -> TestIdp {
        let store = agentidp_core::store::SqliteStore::open_in_memory().expect("a store");
        TestIdp::over(Arc::new(store), None, Box::new(()))
    }

    /// A new instance in a file, which is searched for secrets at the end.
    pub fn in_file() -> TestIdp {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("agentidp.db");
        let store = agentidp_core::store::SqliteStore::open(&path).expect("a store");
        TestIdp::over(Arc::new(store), Some(path), Box::new(home))
    }

    /// The file of its key-encryption key.
    pub fn kek_path(&self) -> PathBuf {
        self.home.path().join("kek.key")
    }

    /// Another handle to the same instance, as another process would have it.
    pub fn reopen(&self) -> Idp {
        let config = Config::new(Database::Opened(self.store.clone()))
            .kek(KekSource::file(self.home.path().join("kek.key")))
            .clock(self.clock.clone());
        Idp::open_existing(config).expect("the instance")
    }

    /// An organization with an agent and a secret.
    pub fn tenant(&self, slug: &str) -> Tenant {
        let org = NewOrg::new(slug).plan(PlanTier::Enterprise);
        let org = self.idp.create_org(org).expect("an organization");
        let handle = self.idp.org(&org.id);
        let agent = NewAgent::new("bot").scope("tools:read").scope("openid").audience(API);
        let agent = handle.register_agent(agent).expect("an agent");
        let credential = handle.issue_credential(&agent.id, NewCredential::default());
        let credential = credential.expect("a credential");
        self.canary(credential.secret());
        Tenant { org, agent, credential }
    }

    /// Two organizations that must not notice each other.
    pub fn two_orgs(&self) -> (Tenant, Tenant) {
        (self.tenant("acme"), self.tenant("globex"))
    }

    /// Text that must not be in the database when the test ends.
    pub fn canary(&self, secret: &str) {
        self.canaries.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
    }

    /// The types and outcomes of an organization's trail, in order.
    pub fn trail(&self, organization: &OrgId) -> Vec<String> {
        let page = agentidp_core::PageRequest::first().limit(500);
        let page = self.idp.org(organization).audit(&page).expect("the trail");
        let tell = |entry: &agentidp_core::audit::StoredEntry| {
            format!("{} {:?}", entry.event_type, entry.outcome)
        };
        page.items.iter().map(tell).collect()
    }

    /// Verifies the whole database: every trail, the outbox within it, no secret in plain text, no row
    /// outside an organization. (A database in memory cannot be searched for the last two.)
    pub fn finish(self) {
        self.store.disarm();
        for organization in self.organizations() {
            let report = self.idp.org(&organization).verify_audit().expect("a report");
            assert!(report.valid, "the trail of {organization} is broken: {report:?}");
            let stray = self.count(&organization, STRAY_DELIVERIES);
            assert_eq!(stray, 0, "deliveries without an entry in {organization}");
            let pending = self.count(&organization, PENDING);
            assert_eq!(pending, 0, "entries without a number in {organization}");
            let uncounted = self.count(&organization, UNCOUNTED_AGENTS);
            assert_eq!(uncounted, 0, "agents that agents_live of {organization} does not count");
            let kept = self.count(&organization, KEPT_BEYOND_THE_END);
            assert_eq!(kept, 0, "secrets of what is over in {organization}");
        }
        if let Some(stored) = self.stored() {
            let canaries = self.canaries.lock().unwrap_or_else(PoisonError::into_inner);
            let plain = stored.plain_secrets(&canaries);
            assert!(plain.is_empty(), "a secret lies in plain text in {plain:?}");
            let orphans = stored.tables_with_orphans();
            assert!(orphans.is_empty(), "rows of no organization in {orphans:?}");
        }
    }

    fn stored(&self) -> Option<Stored<'_>> {
        #[cfg(feature = "postgres")]
        if let Some(database) = self.guard.downcast_ref() {
            return Some(Stored::Server(database));
        }
        self.file.as_deref().map(Stored::File)
    }

    fn organizations(&self) -> Vec<OrgId> {
        let store: &dyn Store = &*self.store;
        let mut all = Vec::new();
        let read = store.read::<_, StoreError>(&Scope::Instance, |tx| {
            all.clear();
            tx.query(ORGANIZATIONS, &[], &mut |row| {
                all.push(OrgId::parse(row.text(0)?).expect("an id"));
                Ok(())
            })
        });
        read.expect("the organizations");
        all
    }

    /// The number that a statement on one organization's rows answers with.
    pub fn count(&self, organization: &OrgId, sql: &'static str) -> i64 {
        let store: &dyn Store = &*self.store;
        let mut count = 0;
        let scope = Scope::Org(organization.clone());
        let read = store.read::<_, StoreError>(&scope, |tx| {
            tx.query(sql, &[], &mut |row| {
                count = row.int(0)?;
                Ok(())
            })
        });
        read.expect("a count");
        count
    }
}

const ORGANIZATIONS: &str = "SELECT organization_id FROM organizations ORDER BY organization_id";

const STRAY_DELIVERIES: &str = "SELECT COUNT(*) FROM outbox o
    WHERE o.organization_id = ?1 AND NOT EXISTS (
        SELECT 1 FROM audit_logs l
        WHERE l.organization_id = o.organization_id AND l.event_id = o.event_id)";

const PENDING: &str = "SELECT COUNT(*) FROM audit_pending WHERE organization_id = ?1";

const UNCOUNTED_AGENTS: &str = "SELECT COUNT(*) - (
        SELECT agents_live FROM organizations WHERE organization_id = ?1)
    FROM agents WHERE organization_id = ?1 AND status <> 'decommissioned'";

const KEPT_BEYOND_THE_END: &str = "SELECT (
        SELECT COUNT(*) FROM agent_keys WHERE organization_id = ?1
            AND state <> 'current' AND sealed_private_key IS NOT NULL)
    + (SELECT COUNT(*) FROM credentials WHERE organization_id = ?1
            AND status <> 'active' AND sealed_secret_mac IS NOT NULL)
    + (SELECT COUNT(*) FROM credentials c
        JOIN agents a ON a.organization_id = c.organization_id AND a.agent_id = c.agent_id
        WHERE c.organization_id = ?1 AND c.status = 'active' AND a.status = 'decommissioned')";
