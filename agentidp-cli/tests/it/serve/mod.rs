//! The server, as its clients and its operator meet it: through sockets, signals and files.

mod ending;
mod full;
mod idle;
mod limits;
mod observing;
mod plain;
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
mod readiness;
mod server;
mod silence;
mod sockets;
mod tls;
mod waiting;
