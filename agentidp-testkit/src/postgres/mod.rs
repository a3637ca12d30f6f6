//! Throw-away PostgreSQL: a cluster, a database and a role in it for each test, and plain sessions.

mod cluster;
mod database;
mod session;

pub use database::TestDatabase;
pub use session::Session;
