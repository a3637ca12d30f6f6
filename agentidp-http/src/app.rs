//! An instance with its routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentidp_core::{AsyncIdp, Idp, TokenBegun, TokenError, TokenRequest, TokenResponse};
use axum::Router;
use axum::middleware;

use crate::answer::{OAuthError, Problem};
use crate::limits::{InFlight, LimitOptions, Rates, tell, watch};
use crate::oauth::Documents;
use crate::observe::{Health, Log, Metrics};
use crate::{api, edge, oauth, observe};

/// An instance that answers requests. Cheap to clone.
///
/// ```
/// use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_http::App;
/// use axum::{body::Body, http::Request};
/// use tower::ServiceExt as _;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// // Routes for a server of your own, such as `axum::serve`.
/// let router = App::new(idp)?.router();
/// let request = Request::get("/.well-known/jwks.json").body(Body::empty())?;
/// assert_eq!(router.oneshot(request).await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    idp: AsyncIdp,
    documents: Documents,
    options: AppOptions,
    /// Verbs that run or wait for a thread.
    jobs: AtomicUsize,
    connections: Arc<AtomicUsize>,
    rates: Rates,
    in_flight: InFlight,
    metrics: Metrics,
    health: Health,
    log: Log,
}

/// How an instance answers, where there is a choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppOptions {
    dpop_nonces: bool,
}

impl AppOptions {
    /// Refuses proofs of keys without a nonce of ours, and hands out nonces (RFC 9449 section 8). Without
    /// it a proof may be made up to a minute ahead.
    #[must_use]
    pub fn require_dpop_nonces(mut self, required: bool) -> AppOptions {
        self.dpop_nonces = required;
        self
    }
}

impl App {
    /// The instance, with threads of its own for what waits for the disk, and the usual limits.
    ///
    /// # Errors
    /// The system's error when a thread cannot be made.
    pub fn new(idp: Idp) -> std::io::Result<App> {
        App::with_options(idp, AppOptions::default())
    }

    /// As [`new`](App::new), with other options than the usual ones.
    ///
    /// # Errors
    /// As [`new`](App::new).
    pub fn with_options(idp: Idp, options: AppOptions) -> std::io::Result<App> {
        App::with(idp, options, &LimitOptions::default(), Log::nowhere())
    }

    /// The instance with limits of the operator's, and a log.
    pub(crate) fn with(
        idp: Idp,
        options: AppOptions,
        limits: &LimitOptions,
        log: Log,
    ) -> std::io::Result<App> {
        let documents = Documents::new(&idp);
        let rates = Rates::new(limits);
        let counted = rates.clone();
        idp.limit_rate(move |organization, per_minute_max| {
            counted.check_organization(organization, per_minute_max)
        });
        Ok(App(Arc::new(Inner {
            idp: AsyncIdp::new(idp)?,
            documents,
            options,
            jobs: AtomicUsize::new(0),
            connections: Arc::default(),
            rates,
            in_flight: InFlight::new(limits.in_flight_max),
            metrics: Metrics::new(),
            health: Health::default(),
            log,
        })))
    }

    /// All that is served to the public, under the issuer's path where it has one. A host that serves it
    /// has to speak TLS, to limit connections and to call [`Idp::tick`]: [`serve()`](crate::serve()) does that.
    pub fn router(&self) -> Router {
        let base = self.documents().base_path();
        let served = Router::new().merge(oauth::routes()).merge(api::routes(self));
        let served = if base.is_empty() { served } else { Router::new().nest(base, served) };
        Router::new()
            .merge(served)
            .merge(oauth::well_known(base))
            .merge(observe::routes())
            .fallback(|| async { Problem::not_found() })
            .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
            .layer(middleware::from_fn_with_state(self.clone(), edge::handle))
            .with_state(self.clone())
    }

    /// What is served to the operator's tools.
    pub(crate) fn admin_router(&self) -> Router {
        observe::admin_routes()
            .fallback(|| async { Problem::not_found() })
            .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
            .layer(middleware::from_fn_with_state(self.clone(), edge::handle))
            .with_state(self.clone())
    }

    /// The instance, for what an asynchronous host may do with it.
    pub(crate) fn idp(&self) -> &AsyncIdp {
        &self.0.idp
    }

    /// What the instance tells everybody about itself.
    pub(crate) fn documents(&self) -> &Documents {
        &self.0.documents
    }

    /// Whether proofs of keys need a nonce.
    pub(crate) fn requires_dpop_nonces(&self) -> bool {
        self.0.options.dpop_nonces
    }

    /// Runs a verb of the library on one of its threads.
    pub(crate) async fn run<T, E, A>(
        &self,
        verb: impl FnOnce(&Idp) -> Result<T, E> + Send + 'static,
    ) -> Result<T, A>
    where
        T: Send + 'static,
        E: Send + 'static,
        A: From<E> + From<agentidp_core::Overloaded>,
    {
        let _job = Job::begin(&self.0.jobs);
        let (done, left) = self.0.idp.run(|idp| watch(|| verb(idp))).await?;
        tell(left);
        Ok(done?)
    }

    /// Answers a token request.
    pub(crate) async fn token(&self, request: TokenRequest) -> Result<TokenResponse, OAuthError> {
        let job = Job::begin(&self.0.jobs);
        match self.0.idp.begin_token(request).await? {
            TokenBegun::Over(answer) => Ok(answer?),
            TokenBegun::Waits(rest) => {
                drop(job);
                self.run::<_, TokenError, _>(move |idp| rest.finish(idp)).await
            }
        }
    }

    pub(crate) fn jobs(&self) -> usize {
        self.0.jobs.load(Ordering::Relaxed)
    }

    /// The public's connections, for whoever counts them.
    pub(crate) fn connections(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0.connections)
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn health(&self) -> &Health {
        &self.0.health
    }

    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }
}

/// A verb that runs or waits, until it is dropped.
struct Job<'a>(&'a AtomicUsize);

impl Job<'_> {
    fn begin(jobs: &AtomicUsize) -> Job<'_> {
        jobs.fetch_add(1, Ordering::Relaxed);
        Job(jobs)
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
