//! The standalone server: sockets, TLS, who is on the other side, how long anybody may take, and how
//! it ends.

mod certificate;
mod connection;
mod crowd;
mod error;
mod listener;
mod networks;
mod notify;
mod options;
mod patient;
mod peer;
mod process;
mod signals;
mod threads;

pub use error::ServeError;
pub use networks::Network;
pub use options::{Listening, ProxyField, ServeOptions, TlsFiles};
pub(crate) use peer::{Peer, Way};
pub use process::serve;
