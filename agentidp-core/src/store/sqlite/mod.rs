//! SQLite: one writer with group commit, several readers, and the walls that SQLite itself lacks.

mod batch;
mod changes;
mod checkpoint;
mod combine;
mod connection;
mod ends;
mod failure;
mod gathered;
mod helper;
mod log_wall;
mod store;
mod tx;
mod writer;

pub use store::SqliteStore;
