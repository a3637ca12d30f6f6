//! A database and a role for one test.

use std::sync::Arc;

use agentidp_core::{Rng, SystemRng};
use url::Url;

use super::Session;
use super::cluster::Cluster;

/// A superuser's URL of a running server, which then serves instead of a cluster of our own.
const URL_VARIABLE: &str = "AGENTIDP_TEST_POSTGRES_URL";

/// An empty database, owned by a role of its own that row security binds. Dropped with the value.
pub struct TestDatabase {
    name: String,
    server: Url,
    // Last, so that a cluster of our own outlives the database.
    _cluster: Option<Arc<Cluster>>,
}

impl TestDatabase {
    /// A new database.
    ///
    /// # Panics
    /// When PostgreSQL cannot be had: a test that needs it must not pass without it.
    #[expect(clippy::new_without_default, reason = "it makes a database, which is no default")]
    pub fn new() -> TestDatabase {
        let given = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
        let cluster = given.is_none().then(Cluster::shared);
        let server = cluster.as_ref().map(|cluster| cluster.url().to_owned()).or(given);
        let server = server.expect("a cluster or a URL");
        let server = Url::parse(&server).unwrap_or_else(|_| panic!("${URL_VARIABLE} is not a URL"));
        let name = fresh_name();
        let mut session = Session::connect(server.as_str());
        session.run(&format!(
            "CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{name}'"
        ));
        session.run(&format!("CREATE DATABASE {name} OWNER {name}"));
        TestDatabase { name, server, _cluster: cluster }
    }

    /// The URL of the database for its owner, whom row security binds.
    pub fn url(&self) -> String {
        self.url_as(&self.name)
    }

    /// The URL of the database for `role`, whose password must be its name if the server asks for one.
    pub fn url_as(&self, role: &str) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.set_username(role).expect("a URL with a host");
        url.set_password(Some(role)).expect("a URL with a host");
        url.into()
    }

    /// The URL of the database for a superuser, whom row security does not bind.
    pub fn superuser_url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// The name of the database, which is also that of its owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A failure here must not hide why the test failed; a cluster of our own goes anyway.
        if let Ok(mut session) = Session::try_connect(self.server.as_str()) {
            let _ = session.try_run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
            let _ = session.try_run(&format!("DROP ROLE IF EXISTS {}", self.name));
        }
    }
}

fn fresh_name() -> String {
    let mut random = [0; 8];
    SystemRng.fill(&mut random).expect("randomness");
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("agentidp_test_{random}")
}
