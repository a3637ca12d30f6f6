//! SQLite: one writer with group commit, several readers, and the walls that SQLite itself lacks.

mod combine;
mod committer;
mod connection;
mod failure;
mod store;
mod tx;
mod writer;

pub use store::SqliteStore;
