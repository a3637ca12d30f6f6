//! `agentidp serve`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::duration;

#[cfg(feature = "server")]
mod start;
#[cfg(not(feature = "server"))]
mod without;

#[cfg(feature = "server")]
pub(crate) use start::run;
#[cfg(not(feature = "server"))]
pub(crate) use without::{not_in_this_build, not_in_this_build as run};

/// How the server listens, whom it believes, how much it takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends on SIGTERM and SIGINT, once requests in flight are answered. SIGHUP reads the \
certificate and its key again. Plain http is for loopback addresses, unless --trusted-proxy names who \
terminates TLS. Rate limits are counted by each process for itself."
)]
pub(crate) struct Arguments {
    /// Where the public listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "AGENTIDP_LISTEN", value_parser = address)]
    listen: SocketAddr,
    /// PEM file with the certificate chain, the server's own first.
    #[arg(long, value_name = "PATH", env = "AGENTIDP_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[arg(long, value_name = "PATH", env = "AGENTIDP_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Network of proxies that terminate TLS and say for whom they speak; may be repeated.
    #[arg(long, value_name = "CIDR", env = "AGENTIDP_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Vec<String>,
    /// The field in which they say it. The other one is ignored.
    #[arg(
        long,
        value_name = "FIELD",
        default_value = "x-forwarded-for",
        env = "AGENTIDP_PROXY_FIELD"
    )]
    proxy_field: ProxyFieldName,
    /// Where /metrics, /healthz and /readyz are served to the operator [default: nowhere].
    #[arg(long, value_name = "ADDRESS", env = "AGENTIDP_ADMIN_LISTEN", value_parser = address)]
    admin_listen: Option<SocketAddr>,
    /// The form of the log's lines on standard error.
    #[arg(long, value_name = "FORM", default_value = "text", env = "AGENTIDP_LOG_FORMAT")]
    log_format: LogForm,
    /// Which requests have a line in the log.
    #[arg(long, value_name = "WHICH", default_value = "all", env = "AGENTIDP_LOG_REQUESTS")]
    log_requests: LoggedRequests,
    /// Most requests of one address in a minute; 0 for any number.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 60_000,
        env = "AGENTIDP_RATE_LIMIT_PER_ADDRESS"
    )]
    rate_limit_per_address: u32,
    /// Most requests of all organizations together in a minute; 0 for any number.
    #[arg(long, value_name = "N", default_value_t = 0, env = "AGENTIDP_RATE_LIMIT_IN_ALL")]
    rate_limit_in_all: u32,
    /// Most requests that are answered at once.
    #[arg(long, value_name = "N", default_value_t = 4096, env = "AGENTIDP_MAX_REQUESTS_IN_FLIGHT", value_parser = clap::value_parser!(u32).range(1..))]
    max_requests_in_flight: u32,
    /// Directory with a policy in Rego that decides what agents may do [default: the built-in table].
    #[arg(long, value_name = "DIR", env = "AGENTIDP_POLICY_DIR")]
    policy_dir: Option<PathBuf>,
    /// Refuse proofs of keys (DPoP) without a nonce, and hand nonces out.
    #[arg(long, env = "AGENTIDP_REQUIRE_DPOP_NONCES", value_parser = FalseyValueParser::new())]
    require_dpop_nonces: bool,
    /// Most connections at once.
    #[arg(long, value_name = "N", default_value_t = 20_000, env = "AGENTIDP_MAX_CONNECTIONS", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Most connections of one address at once.
    #[arg(long, value_name = "N", default_value_t = 2_000, env = "AGENTIDP_MAX_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections_per_address: u32,
    /// Longest time for the head of a request.
    #[arg(long, value_name = "TIME", default_value = "10s", env = "AGENTIDP_HEADER_TIMEOUT", value_parser = duration::parse)]
    header_timeout: Duration,
    /// Longest time for the body of a request.
    #[arg(long, value_name = "TIME", default_value = "15s", env = "AGENTIDP_BODY_TIMEOUT", value_parser = duration::parse)]
    body_timeout: Duration,
    /// Longest time that a connection waits for a request, or its client takes for an answer.
    #[arg(long, value_name = "TIME", default_value = "75s", env = "AGENTIDP_IDLE_TIMEOUT", value_parser = duration::parse)]
    idle_timeout: Duration,
    /// Longest time for requests in flight and background work when the server ends.
    #[arg(long, value_name = "TIME", default_value = "25s", env = "AGENTIDP_DRAIN_TIMEOUT", value_parser = duration::parse)]
    drain_timeout: Duration,
    /// Time between two ticks of the background work.
    #[arg(long, value_name = "TIME", default_value = "30s", env = "AGENTIDP_INTERVAL", value_parser = duration::parse)]
    interval: Duration,
}

/// Which field proxies write.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProxyFieldName {
    /// X-Forwarded-For, with X-Forwarded-Proto.
    XForwardedFor,
    /// Forwarded (RFC 7239).
    Forwarded,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogForm {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Which requests are logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LoggedRequests {
    /// Every one.
    All,
    /// Those with a status of 400 or more.
    Failed,
    /// None.
    None,
}

/// An address with a port; `localhost` is one too.
fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = || "an address and a port are expected, such as `127.0.0.1:8080`".to_owned();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    // Other names change what they mean, and with it who can reach us.
    let local = text.strip_prefix("localhost:").ok_or_else(expected)?;
    ("127.0.0.1", local.parse::<u16>().map_err(|_| expected())?)
        .to_socket_addrs()
        .map_err(|_| expected())?
        .next()
        .ok_or_else(expected)
}
