//! What PostgreSQL can do at most with three round trips a transaction, and databases to measure in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _};

/// Connections of the raw side: as many as the store's pool has.
const CONNECTIONS: u32 = agentidp_core::base::limits::POSTGRES_CONNECTIONS_MAX;

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

/// A new database, owned by a role that row security binds, in the server at `url`, whose role may
/// make both.
pub(crate) fn fresh_database(url: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("agentidp_bench_{}_{number}", std::process::id());
    runtime().block_on(async {
        let pool = PgPool::connect(url).await.expect("the server");
        for sql in [
            format!("CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'bench'"),
            format!("CREATE DATABASE {name} OWNER {name}"),
        ] {
            pool.execute(AssertSqlSafe(sql)).await.expect("a database");
        }
    });
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (_, server) = rest.split_once('@').expect("a URL with a user");
    let (server, query) = server.split_once('?').map_or((server, ""), |(s, q)| (s, q));
    let server = server.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{name}:bench@{server}/{name}{query}")
}

/// Transactions of BEGIN, one prepared insert of an entry, COMMIT, in a database of their own.
pub(crate) struct Raw {
    runtime: tokio::runtime::Runtime,
    pool: PgPool,
}

impl Raw {
    pub(crate) fn new(url: &str) -> Raw {
        let url = fresh_database(url);
        let runtime = runtime();
        let pool = runtime.block_on(async {
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
            let pool = pool.connect(&url).await.expect("the database");
            let table = "CREATE TABLE entry (org TEXT, id TEXT, entry TEXT, PRIMARY KEY (org, id))";
            pool.execute(table).await.expect("the table");
            pool
        });
        Raw { runtime, pool }
    }

    /// How many a second, of as many tasks as there are callers.
    pub(crate) fn commit(&self, callers: usize, seconds: f64) -> f64 {
        self.runtime.block_on(async {
            let done = Arc::new(AtomicU64::new(0));
            let start = Instant::now();
            let until = start + Duration::from_secs_f64(seconds);
            let tasks: Vec<_> = (0..callers)
                .map(|_| tokio::spawn(insert_until(self.pool.clone(), Arc::clone(&done), until)))
                .collect();
            for task in tasks {
                task.await.expect("a caller");
            }
            done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
        })
    }
}

async fn insert_until(pool: PgPool, done: Arc<AtomicU64>, until: Instant) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let entry = "e".repeat(400);
    while Instant::now() < until {
        let id = format!("{:036}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = pool.acquire().await.expect("a connection");
        connection.execute("BEGIN").await.expect("a transaction");
        sqlx::query("INSERT INTO entry VALUES ($1, $2, $3)")
            .bind("01900000-0000-7000-8000-000000000001")
            .bind(&id)
            .bind(&entry)
            .execute(&mut *connection)
            .await
            .expect("an insert");
        connection.execute("COMMIT").await.expect("a commit");
        done.fetch_add(1, Ordering::Relaxed);
    }
}
