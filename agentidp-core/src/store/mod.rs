//! Floor 4: SQL, written once and run on both engines.
//!
//! [`Store`] and [`Tx`] are the waist. Each concept's statements are constants beside the reader of
//! their rows; statements that cross organizations live in `instance` alone.

pub(crate) mod agent_keys;
pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod credentials;
mod error;
pub(crate) mod idempotency;
pub(crate) mod installation;
pub(crate) mod instance;
pub(crate) mod members;
mod migrate;
pub(crate) mod orgs;
mod sequencer;
pub(crate) mod signing_keys;
pub(crate) mod tokens;
mod tx;
pub(crate) mod usage;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use error::StoreError;
pub use migrate::SchemaState;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use tx::{Body, Done, EachRow, Kind, OwnedBody, Row, Scope, Store, Tx, Value, Verdict};
