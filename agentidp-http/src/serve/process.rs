//! The server from its start to its end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentidp_core::Idp;
use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::certificate::Certificate;
use super::connection::Shared;
use super::crowd::Crowd;
use super::notify::{self, State};
use super::options::is_loopback;
use super::signals::{Asked, Signals};
use super::threads::Threads;
use super::{Listening, ServeError, ServeOptions, listener};
use crate::App;
use crate::observe::Log;
use crate::worker::Worker;

/// Longest time for lines of the log that are still to be written at the end.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves the instance until SIGTERM or SIGINT, then lets what is in flight end. Blocks until then.
/// `ready` is told where the server listens, as soon as it does.
///
/// ```no_run
/// use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_http::{ServeOptions, serve};
/// let config = Config::sqlite("agentidp.db").kek(KekSource::file("kek.key"));
/// let idp = Idp::open(config.issuer("http://localhost:8080"))?;
/// let options = ServeOptions::new("127.0.0.1:8080".parse()?);
/// serve(idp, options, |listening| println!("listening on {}", listening.public))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ServeError`] when it cannot start: nothing was served.
pub fn serve(
    idp: Idp,
    options: ServeOptions,
    ready: impl FnOnce(Listening),
) -> Result<(), ServeError> {
    options.check()?;
    let certificate = options.tls.clone().map(Certificate::load).transpose()?;
    let log = Log::start(&options.log)?;
    let app = App::with(idp.clone(), options.app, &options.limits, log.clone())?;
    let runtime = runtime()?;
    let (end, ending) = watch::channel(false);
    let served = {
        let _inside = runtime.enter();
        let server = Server::bind(&app, options, certificate, ending)?;
        let (health, metrics) = (app.health().clone(), app.metrics().clone());
        let interval = server.options.tick_interval;
        let worker = Worker::start(idp, interval, health, metrics, log.clone())?;
        ready(server.listening);
        notify::tell(State::Ready);
        runtime.block_on(server.run(&end, worker, &log))
    };
    // What did not end in time is left where it is: its clients get no answer.
    runtime.shutdown_background();
    log.finish(LOG_TIMEOUT);
    served
}

/// For what is not a connection: accepting them, signals, the end.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

struct Server {
    options: Arc<ServeOptions>,
    listening: Listening,
    certificate: Option<Arc<Certificate>>,
    /// The public listener and that for the operator.
    parts: Vec<Part>,
    threads: Arc<Threads>,
    signals: Signals,
}

struct Part {
    listener: TcpListener,
    shared: Arc<Shared>,
    crowd: Crowd,
}

impl Server {
    fn bind(
        app: &App,
        options: ServeOptions,
        certificate: Option<Arc<Certificate>>,
        ending: watch::Receiver<bool>,
    ) -> Result<Server, ServeError> {
        // Before anybody can know that we run, so that no signal ends us half-way.
        let signals = Signals::listen()?;
        let options = Arc::new(options);
        let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let part = |address, router: Router, tls, open| -> Result<Part, ServeError> {
            let listener = listener::bind(address)?;
            let (options, ending) = (Arc::clone(&options), ending.clone());
            let crowd =
                Crowd::new(options.connections_max, options.connections_per_address_max, open);
            let shared = Arc::new(Shared { options, router, tls, ending });
            Ok(Part { listener, shared, crowd })
        };
        let mut parts = vec![part(options.listen, app.router(), tls.clone(), app.connections())?];
        if let Some(address) = options.admin_listen {
            let tls = tls.filter(|_| !is_loopback(address.ip()));
            parts.push(part(address, app.admin_router(), tls, Arc::default())?);
        }
        let mut addresses = parts.iter().map(|part| part.listener.local_addr());
        let public = addresses.next().transpose()?.unwrap_or(options.listen);
        let admin = addresses.next().transpose()?;
        let listening = Listening { public, tls: certificate.is_some(), admin };
        drop(addresses);
        let threads = Arc::new(Threads::start()?);
        Ok(Server { options, listening, certificate, parts, threads, signals })
    }

    async fn run(
        mut self,
        end: &watch::Sender<bool>,
        worker: Worker,
        log: &Log,
    ) -> Result<(), ServeError> {
        let mut parts = JoinSet::new();
        for Part { listener, shared, crowd } in std::mem::take(&mut self.parts) {
            parts.spawn(listener::accept(listener, shared, crowd, Arc::clone(&self.threads)));
        }
        while self.signals.next().await == Asked::Reload {
            self.reload(log);
        }
        notify::tell(State::Stopping);
        log.note("ending: no new connections, requests in flight are answered");
        let begun = Instant::now();
        end.send_replace(true);
        let answered = async { while parts.join_next().await.is_some() {} };
        let ended = async { tokio::join!(answered, worker.stop()) };
        tokio::select! {
            ended = timeout(self.options.drain_timeout, ended) => {
                let after = begun.elapsed().as_millis();
                match ended {
                    Ok(_) => log.note(&format!("ended after {after} ms")),
                    Err(_) => log.error("ended with work in flight: the time for it is over"),
                }
            }
            // Who asks a second time does not want to wait.
            () = second(&mut self.signals) => log.error("ended with work in flight, as asked"),
        }
        Ok(())
    }

    fn reload(&self, log: &Log) {
        let Some(certificate) = &self.certificate else {
            return log.note("reload: there is no certificate to read again");
        };
        match certificate.reload() {
            Ok(()) => log.note("reload: the certificate was read again"),
            Err(error) => log.error(&format!("reload: {error}; the old certificate stays")),
        }
    }
}

/// Waits until it is asked again to end.
async fn second(signals: &mut Signals) {
    while signals.next().await != Asked::End {}
}
