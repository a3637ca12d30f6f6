//! `agentidp serve`, in a build that has the server.

use agentidp_core::{Error, Idp, RegoPolicy};
use agentidp_http::{
    AppOptions, Listening, LogFormat, LogOptions, Network, ProxyField, RequestLog, ServeError,
    ServeOptions, TlsFiles, serve,
};

use super::{Arguments, LogForm, LoggedRequests, ProxyFieldName};
use crate::cli::Global;
use crate::failure::Failure;
use crate::home::{Home, missing};
use crate::output::{Fields, Output};

/// Serves until it is asked to end.
///
/// # Errors
/// [`Failure`] when the instance cannot be opened, or the server cannot start as it is asked to.
pub(crate) fn run(arguments: &Arguments, global: &Global, output: &Output) -> Result<(), Failure> {
    let options = arguments.options()?;
    let idp = arguments.open(global)?;
    allow_connections();
    let issuer = idp.status().issuer.to_string();
    let ready = |listening: Listening| {
        let fields = Fields::default()
            .with("listen", listening.public.to_string())
            .with("tls", listening.tls)
            .maybe("adminListen", listening.admin.map(|address| address.to_string()))
            .with("issuer", issuer);
        // Whoever does not read it is served all the same.
        let _ = output.fields(&fields);
    };
    serve(idp, options, ready).map_err(refused)
}

fn refused(error: ServeError) -> Failure {
    Failure::new(error.code(), error.to_string()).hint(error.hint())
}

impl Arguments {
    /// The instance, under the policy that was given for it.
    fn open(&self, global: &Global) -> Result<Idp, Failure> {
        let mut config = Home::locate(global)?.config(global)?.without_migrating();
        if let Some(directory) = &self.policy_dir {
            config = config.policy(RegoPolicy::from_dir(directory).map_err(Error::from)?);
        }
        Idp::open_existing(config).map_err(missing)
    }

    fn options(&self) -> Result<ServeOptions, Failure> {
        let mut options = ServeOptions::new(self.listen);
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            options.tls = Some(TlsFiles { certificate: certificate.clone(), key: key.clone() });
        }
        let proxies = self.trusted_proxy.iter().filter(|text| !text.is_empty());
        let proxies = proxies.map(|text| text.trim().parse::<Network>());
        options.trusted_proxies = proxies.collect::<Result<_, _>>().map_err(|reason| {
            Failure::usage(format!("invalid value for '--trusted-proxy <CIDR>': {reason}"))
        })?;
        options.proxy_field = match self.proxy_field {
            ProxyFieldName::XForwardedFor => ProxyField::XForwarded,
            ProxyFieldName::Forwarded => ProxyField::Forwarded,
        };
        options.admin_listen = self.admin_listen;
        let format = match self.log_format {
            LogForm::Text => LogFormat::Text,
            LogForm::Json => LogFormat::Json,
        };
        let requests = match self.log_requests {
            LoggedRequests::All => RequestLog::All,
            LoggedRequests::Failed => RequestLog::Failed,
            LoggedRequests::None => RequestLog::None,
        };
        options.log = LogOptions { format, requests };
        let any = |limit: u32| (limit > 0).then_some(limit);
        options.limits.per_address_per_minute = any(self.rate_limit_per_address);
        options.limits.in_all_per_minute = any(self.rate_limit_in_all);
        options.limits.in_flight_max = count(self.max_requests_in_flight);
        options.app = AppOptions::default().require_dpop_nonces(self.require_dpop_nonces);
        options.connections_max = count(self.max_connections);
        options.connections_per_address_max = count(self.max_connections_per_address);
        options.header_timeout = self.header_timeout;
        options.body_timeout = self.body_timeout;
        options.idle_timeout = self.idle_timeout;
        options.drain_timeout = self.drain_timeout;
        options.tick_interval = self.interval;
        Ok(options)
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Takes as many descriptors as the system gives: shells give 1024, and a connection is one.
fn allow_connections() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        // Where it stays as it was, connections wait that are too many.
        let _ =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}
