//! What an operator decides about the server, and what is refused before anything listens.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::app::AppOptions;
use crate::limits::LimitOptions;
use crate::observe::LogOptions;

use super::{Network, ServeError};

/// How the server listens, whom it believes, and how long anybody may take.
///
/// ```
/// use agentidp_http::ServeOptions;
/// let mut options = ServeOptions::new("127.0.0.1:8080".parse()?);
/// options.trusted_proxies = vec!["10.0.0.0/8".parse()?];
/// options.limits.per_address_per_minute = Some(600);
/// assert!(options.trusted_proxies[0].contains("10.1.2.3".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// Where the public listens.
    pub listen: SocketAddr,
    /// The certificate and its key. Without, http is spoken.
    pub tls: Option<TlsFiles>,
    /// Who terminates TLS in front of us, and may say for whom it speaks.
    pub trusted_proxies: Vec<Network>,
    /// The field in which they say it.
    pub proxy_field: ProxyField,
    /// Where metrics and reasons are told.
    pub admin_listen: Option<SocketAddr>,
    /// How requests are answered, where there is a choice.
    pub app: AppOptions,
    /// How many requests may come.
    pub limits: LimitOptions,
    /// What is written about them.
    pub log: LogOptions,
    /// Most connections at once.
    pub connections_max: usize,
    /// Most connections of one address at once; trusted proxies have no such limit.
    pub connections_per_address_max: usize,
    /// Longest time for the head of a request, once it began.
    pub header_timeout: Duration,
    /// Longest time for the body of a request.
    pub body_timeout: Duration,
    /// Longest time that a connection waits for a request, or a client for our answer.
    pub idle_timeout: Duration,
    /// Longest time for requests in flight when the server ends.
    pub drain_timeout: Duration,
    /// Time between two ticks of the background work.
    pub tick_interval: Duration,
}

/// Where a certificate chain and its private key are, in PEM (RFC 7468).
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The field in which a proxy says for whom it speaks. Only one of them counts: a proxy that writes
/// the one may let a stranger write the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyField {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// The public listener.
    pub public: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The listener for metrics.
    pub admin: Option<SocketAddr>,
}

impl ServeOptions {
    /// The usual limits, for a server on that address.
    pub fn new(listen: SocketAddr) -> ServeOptions {
        ServeOptions {
            listen,
            tls: None,
            trusted_proxies: Vec::new(),
            proxy_field: ProxyField::default(),
            admin_listen: None,
            app: AppOptions::default(),
            limits: LimitOptions::default(),
            log: LogOptions::default(),
            connections_max: 20_000,
            connections_per_address_max: 2_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(25),
            tick_interval: Duration::from_secs(30),
        }
    }

    /// Whether tokens and secrets would travel in the open.
    ///
    /// # Errors
    /// [`ServeError::Plain`] when they would.
    pub(super) fn check(&self) -> Result<(), ServeError> {
        let protected = self.tls.is_some() || !self.trusted_proxies.is_empty();
        let public = std::iter::once(self.listen).chain(self.admin_listen);
        match public.into_iter().find(|address| !is_loopback(address.ip()) && !protected) {
            Some(address) => Err(ServeError::Plain(address)),
            None => Ok(()),
        }
    }

    /// Whether the address is that of a proxy that terminates TLS for us.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

/// Whether what is sent there never leaves the machine.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_unless_somebody_terminates_tls() {
        let check = |listen: &str, admin: Option<&str>, proxy: Option<&str>, tls: bool| {
            let mut options = ServeOptions::new(listen.parse().unwrap());
            options.admin_listen = admin.map(|admin| admin.parse().unwrap());
            options.trusted_proxies =
                proxy.map(|proxy| proxy.parse().unwrap()).into_iter().collect();
            let file = PathBuf::from("x");
            options.tls = tls.then(|| TlsFiles { certificate: file.clone(), key: file });
            options.check().is_ok()
        };
        assert!(check("127.0.0.1:80", None, None, false));
        assert!(check("127.8.0.1:80", Some("[::1]:81"), None, false));
        assert!(check("[::ffff:127.0.0.1]:80", None, None, false));
        assert!(!check("0.0.0.0:80", None, None, false));
        assert!(!check("[::]:80", None, None, false));
        assert!(!check("127.0.0.1:80", Some("10.0.0.1:81"), None, false));
        assert!(check("0.0.0.0:80", Some("10.0.0.1:81"), Some("10.0.0.0/8"), false));
        assert!(check("0.0.0.0:80", None, None, true));
    }
}
