//! The library for asynchronous hosts: its verbs on threads of its own, behind a future that needs
//! no particular runtime.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::base::limits;
use crate::error::ErrorCode;
use crate::jose::Jwks;
use crate::model::{TokenRequest, TokenResponse};
use crate::oidc::Verifier;
use crate::ops::TokenError;
use crate::ops::tokens::{self, Begun, Submitted};

use super::Idp;

/// An [`Idp`] for asynchronous hosts. Cheap to clone.
///
/// A verb blocks until its commit is durable, so it must not run on a thread of the host's runtime.
/// Here it runs on one of a few threads of our own. Work beyond what they and a bounded queue take
/// is refused at once, so that a host under pressure can say so (HTTP 503) instead of piling it up.
/// Verifying a token is arithmetic, which may be done on any thread: see [`AsyncIdp::verifier`].
///
/// ```
/// use agentidp_core::{AsyncIdp, Config, Idp, KekSource, NewOrg};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let idp = AsyncIdp::new(idp)?;
/// let org = idp.run(|idp| idp.create_org(NewOrg::new("acme"))).await??;
/// assert_eq!(org.slug.as_str(), "acme");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AsyncIdp {
    idp: Idp,
    jobs: SyncSender<Job>,
    /// Tokens that are being recorded without a thread that waits for it.
    submitted: Arc<AtomicUsize>,
    submitted_max: usize,
}

type Job = Box<dyn FnOnce() + Send>;

/// What became of a token request that was begun without a thread which may wait: the answer of
/// [`AsyncIdp::begin_token`].
#[derive(Debug)]
pub enum TokenBegun {
    /// It is answered.
    Over(Result<TokenResponse, TokenError>),
    /// Something has to be waited for.
    Waits(TokenRest),
}

/// What is left to do for a token request.
#[derive(Debug)]
pub struct TokenRest {
    request: TokenRequest,
    /// Whether it was submitted, and what it was decided on did not stand.
    again: bool,
}

impl TokenRest {
    /// Does it, at the instance where it was begun.
    ///
    /// # Errors
    /// Those of [`Idp::token`].
    pub fn finish(self, idp: &Idp) -> Result<TokenResponse, TokenError> {
        tokens::issue(&idp.context, &self.request, self.again)
    }
}

/// All threads are busy and the queue is full.
///
/// ```
/// use agentidp_core::{ErrorCode, Overloaded};
/// assert_eq!(Overloaded.code(), ErrorCode::Overloaded);
/// assert_eq!(Overloaded.code().http_status(), 503);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all threads are busy and the queue is full")]
pub struct Overloaded;

impl Overloaded {
    /// The row of the error table.
    pub fn code(self) -> ErrorCode {
        ErrorCode::Overloaded
    }
}

impl std::fmt::Debug for AsyncIdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Async{:?}", self.idp)
    }
}

impl AsyncIdp {
    /// The instance with the usual number of threads and places in the queue:
    /// [`limits::ASYNC_THREADS`] and [`limits::ASYNC_QUEUE`].
    ///
    /// # Errors
    /// The system's error when a thread cannot be made.
    pub fn new(idp: Idp) -> std::io::Result<AsyncIdp> {
        Self::with(idp, limits::ASYNC_THREADS, limits::ASYNC_QUEUE)
    }

    /// The instance with `threads` threads, at least one, and `queue` places for work that waits.
    ///
    /// Concurrent issuers share their commits, so more threads than processors are worth having.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::AsyncIdp;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// // Four verbs run at once, a hundred wait, and the next is refused.
    /// let idp = AsyncIdp::with(idp, 4, 100)?;
    /// let status = idp.run(|idp| idp.status()).await?;
    /// assert_eq!(status.issuer.as_str(), "https://idp.example.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's error when a thread cannot be made.
    pub fn with(idp: Idp, threads: usize, queue: usize) -> std::io::Result<AsyncIdp> {
        let (jobs, waiting) = sync_channel(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            let thread = std::thread::Builder::new().name(format!("agentidp-{number}"));
            thread.spawn(move || work(&waiting))?;
        }
        let submitted_max = queue.saturating_add(threads.max(1));
        Ok(AsyncIdp { idp, jobs, submitted: Arc::default(), submitted_max })
    }

    /// Runs `verb` on one of the threads. It runs to its end even if the future is dropped before:
    /// what it committed stays committed.
    ///
    /// ```
    /// # use agentidp_core::{AsyncIdp, Config, Idp, KekSource};
    /// use agentidp_core::PageRequest;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let idp = AsyncIdp::new(idp)?;
    /// // The outer error is that of the queue, the inner one that of the verb.
    /// let orgs = idp.run(|idp| idp.list_orgs(&PageRequest::first())).await??;
    /// assert_eq!(orgs.items.len(), 1, "`system` is always there");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Overloaded`] when all threads are busy and the queue is full; nothing was done.
    ///
    /// # Panics
    /// When `verb` panics, in the task that waits for it.
    pub async fn run<T, F>(&self, verb: F) -> Result<T, Overloaded>
    where
        T: Send + 'static,
        F: FnOnce(&Idp) -> T + Send + 'static,
    {
        let (answer, answered) = Answer::new();
        let idp = self.idp.clone();
        let job = move || answer.give(catch_unwind(AssertUnwindSafe(|| verb(&idp))));
        self.jobs.try_send(Box::new(job)).map_err(|full| match full {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Overloaded,
        })?;
        Ok(answered.await)
    }

    /// As [`Idp::token`]. Where all that it takes is at hand (a client that was seen before and shows its
    /// secret, on a database whose commits are shared) no thread waits for the disk: the token is
    /// signed here, and the future is woken by the commit. That is how a server answers most of its
    /// requests.
    ///
    /// If the future is dropped, a token that was signed is recorded all the same, and nobody has it.
    ///
    /// ```
    /// # use agentidp_core::{AsyncIdp, Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let idp = AsyncIdp::new(idp)?;
    /// let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(request).await??;
    /// assert_eq!(token.scope.as_deref(), Some("tools:read"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Overloaded`] when as many tokens are being recorded, or as many verbs wait, as there may be;
    /// no token was recorded. Within, the errors of [`Idp::token`].
    pub async fn token(
        &self,
        request: TokenRequest,
    ) -> Result<Result<TokenResponse, TokenError>, Overloaded> {
        match self.begin_token(request).await? {
            TokenBegun::Over(answer) => Ok(answer),
            TokenBegun::Waits(rest) => self.run(move |idp| rest.finish(idp)).await,
        }
    }

    /// The part of [`token`](AsyncIdp::token) that needs no thread of ours. A host that does something
    /// around its verbs, such as counting them, runs what is left as one of them.
    ///
    /// ```
    /// # use agentidp_core::{AsyncIdp, Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::TokenBegun;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let idp = AsyncIdp::new(idp)?;
    /// let token = match idp.begin_token(request).await? {
    ///     TokenBegun::Over(answer) => answer?,
    ///     TokenBegun::Waits(rest) => idp.run(move |idp| rest.finish(idp)).await??,
    /// };
    /// assert_eq!(token.expires_in, 3600);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Overloaded`] when as many tokens are being recorded as there may be; nothing was done.
    pub async fn begin_token(&self, request: TokenRequest) -> Result<TokenBegun, Overloaded> {
        let under_way = UnderWay::begin(&self.submitted, self.submitted_max).ok_or(Overloaded)?;
        let (answer, answered) = Answer::new();
        let tell = move |submitted| {
            drop(under_way);
            answer.give(Ok(submitted));
        };
        let again = match tokens::submit(&self.idp.context, &request, tell) {
            Begun::Over(error) => return Ok(TokenBegun::Over(Err(error))),
            Begun::NotAtHand => false,
            Begun::Submitted => match answered.await {
                Submitted::Issued(token) => return Ok(TokenBegun::Over(Ok(token))),
                Submitted::Failed(error) => return Ok(TokenBegun::Over(Err(error))),
                Submitted::Again => true,
            },
        };
        Ok(TokenBegun::Waits(TokenRest { request, again }))
    }

    /// As [`Idp::verifier`], whose reading of a row, once in a few seconds, is done on one of the
    /// threads.
    ///
    /// ```
    /// # use agentidp_core::{AsyncIdp, Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let idp = AsyncIdp::new(idp)?;
    /// let token = idp.token(request).await??;
    /// let verifier = idp.verifier().await?;
    /// let claims = verifier.verify_access_token(&token.access_token, "https://idp.example.com")?;
    /// assert_eq!(claims.sub, agent.id.as_str());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Overloaded`] when all threads are busy and the queue is full.
    pub async fn verifier(&self) -> Result<Arc<Verifier>, Overloaded> {
        match self.idp.context.fresh_signing_at_hand() {
            Some(keys) => Ok(keys.verifier()),
            None => self.run(Idp::verifier).await,
        }
    }

    /// As [`Idp::jwks`], with the same reading.
    ///
    /// ```
    /// # use agentidp_core::{AsyncIdp, Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let idp = AsyncIdp::new(idp)?;
    /// let jwks = idp.jwks().await?;
    /// assert!(jwks.to_json().starts_with(r#"{"keys":["#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Overloaded`] when all threads are busy and the queue is full.
    pub async fn jwks(&self) -> Result<Jwks, Overloaded> {
        match self.idp.context.fresh_signing_at_hand() {
            Some(keys) => Ok(keys.jwks().clone()),
            None => self.run(Idp::jwks).await,
        }
    }

    /// The instance itself, for what does not block.
    pub fn idp(&self) -> &Idp {
        &self.idp
    }
}

/// Runs what is sent until nobody is left who could send anything.
fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

/// One of the tokens that are being recorded, until it is dropped.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    /// `None` when there are `max`.
    fn begin(count: &Arc<AtomicUsize>, max: usize) -> Option<UnderWay> {
        let under_way = UnderWay(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < max).then_some(under_way)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The answer that another thread is to give.
struct Answer<T>(Arc<Mutex<Awaited<T>>>);

struct Awaited<T> {
    value: Option<std::thread::Result<T>>,
    waker: Option<Waker>,
}

impl<T> Answer<T> {
    fn new() -> (Answer<T>, Answered<T>) {
        let awaited = Arc::new(Mutex::new(Awaited { value: None, waker: None }));
        (Answer(Arc::clone(&awaited)), Answered(awaited))
    }

    fn give(self, value: std::thread::Result<T>) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.value = Some(value);
        let waker = awaited.waker.take();
        // A waker may poll at once, which takes the lock.
        drop(awaited);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for an answer.
struct Answered<T>(Arc<Mutex<Awaited<T>>>);

impl<T> Future for Answered<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match awaited.value.take() {
            Some(Ok(value)) => Poll::Ready(value),
            Some(Err(panic)) => {
                drop(awaited);
                resume_unwind(panic)
            }
            None => {
                awaited.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
