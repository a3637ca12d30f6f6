//! PostgreSQL 15 or newer: a pool of connections, each driven by a task of the store's own runtime,
//! and row security as the third tenant wall.
//!
//! A transaction is one task (`actor`) that owns a connection. The caller hands it statements and
//! waits on a channel, so that it may be any thread, one of a host's own runtime included. A write
//! of one statement costs three round trips (BEGIN with the scope, the statement, COMMIT), and the
//! caller is woken twice.
//!
//! Settings of each connection, made when it is opened: `statement_timeout` 30 s, `lock_timeout`
//! 10 s, `idle_in_transaction_session_timeout` 60 s (a process that hangs inside a transaction must
//! not hold the sequencer's lock for ever), `synchronous_commit` on where it was off.
//! `application_name` is `agentidp` unless the URL says otherwise; TLS is as the URL's `sslmode` says.

mod actor;
mod failure;
mod migrate;
mod pool;
mod sequencing;
mod sql;
mod store;
mod tx;

pub use store::PostgresStore;
