//! Why the server does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use agentidp_core::ErrorCode;

/// The server does not start.
///
/// ```
/// use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_http::{ServeError, ServeOptions, serve};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// // Anybody on the way could read the tokens.
/// let in_the_open = ServeOptions::new("0.0.0.0:8080".parse()?);
/// let refused = serve(idp, in_the_open, |_| {}).unwrap_err();
/// assert!(matches!(refused, ServeError::Plain(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Tokens and secrets would travel in the open.
    #[error("{0} is not a loopback address, and nothing there would be encrypted")]
    Plain(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error("the TLS file `{}` cannot be used: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address is taken, or not ours.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// The system has no room for what the server needs.
    #[error("the server cannot run: {0}")]
    System(#[from] io::Error),
}

impl ServeError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::ConfigInvalid
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ServeError::Plain(_) => {
                "give it a certificate (--tls-cert, --tls-key), or name the proxy that has one (--trusted-proxy)"
            }
            ServeError::Tls { .. } => {
                "supply a PEM file with the certificate chain, and one with its private key"
            }
            ServeError::Listen { .. } => "choose another address, or end what listens there",
            ServeError::System(_) => "see what the system says",
        }
    }
}
