//! The certificate that the server shows, which may be replaced while it runs.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use super::{ServeError, TlsFiles};

/// What ALPN (RFC 7301) offers.
const PROTOCOL: &[u8] = b"http/1.1";
/// Largest PEM file read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most certificates in a chain.
const CHAIN_MAX: usize = 16;

/// The certificate of this moment.
pub(super) struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// [`ServeError::Tls`] when they cannot be read, or do not belong together.
    pub(super) fn load(files: TlsFiles) -> Result<Arc<Certificate>, ServeError> {
        // Not the process's default: that belongs to the program that embeds us.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = RwLock::new(Arc::new(read(&files, &provider)?));
        Ok(Arc::new(Certificate { files, provider, current }))
    }

    /// Reads the files again. Where they cannot be used, the certificate stays the one it was.
    ///
    /// # Errors
    /// [`ServeError::Tls`] when they cannot be used.
    pub(super) fn reload(&self) -> Result<(), ServeError> {
        let renewed = Arc::new(read(&self.files, &self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// What makes TLS of connections.
    ///
    /// # Errors
    /// [`ServeError::Tls`] when the provider has no cipher for our versions.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, ServeError> {
        let versions = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&self.files.certificate, &error))?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.files.certificate.display())
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, ServeError> {
    let path = &files.certificate;
    let pem = content(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).take(CHAIN_MAX).collect();
    let chain = chain.map_err(|error| refused(path, &error))?;
    if chain.is_empty() {
        return Err(refused(path, &"there is no certificate in it"));
    }
    let path = &files.key;
    let key = PrivateKeyDer::from_pem_slice(&content(path)?);
    // The parser's own words could repeat a line of the key.
    let key = key.map_err(|_| refused(path, &"there is no private key in it"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            refused(path, &"the key does not belong to the certificate")
        }
        error => refused(path, &error),
    })
}

fn content(path: &Path) -> Result<Vec<u8>, ServeError> {
    let size = std::fs::metadata(path).map_err(|error| refused(path, &error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(refused(path, &"it is too large"));
    }
    std::fs::read(path).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, reason: &dyn fmt::Display) -> ServeError {
    ServeError::Tls { path: path.to_owned(), reason: reason.to_string() }
}
