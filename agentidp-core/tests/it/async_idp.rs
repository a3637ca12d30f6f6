//! The library for asynchronous hosts: verbs run on its own threads, and never pile up.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};

use agentidp_core::{AsyncIdp, Config, ErrorCode, Idp, KekSource, NewOrg};
use tempfile::TempDir;

fn idp(threads: usize, queue: usize) -> (AsyncIdp, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let config = Config::memory()
        .kek(KekSource::file(home.path().join("kek.key")))
        .issuer("https://idp.example.com");
    (AsyncIdp::with(Idp::open(config).unwrap(), threads, queue).unwrap(), home)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn verbs_run_on_other_threads_and_answer() {
    let (idp, _home) = idp(2, 4);
    let here = std::thread::current().id();
    block_on(async {
        let made = idp.run(|idp| idp.create_org(NewOrg::new("acme"))).await.unwrap().unwrap();
        let (there, found) =
            idp.run(|idp| (std::thread::current().id(), idp.find_org("acme"))).await.unwrap();
        assert_ne!(there, here);
        assert_eq!(found.unwrap(), made);
    });
}

#[test]
fn work_beyond_the_threads_and_the_queue_is_refused_and_not_done() {
    let (idp, _home) = idp(1, 1);
    let occupied = Occupied::new(&idp, |idp| drop(idp.create_org(NewOrg::new("waits"))));
    block_on(async {
        let refused = idp.run(|idp| idp.create_org(NewOrg::new("refused")).is_ok()).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::Overloaded);
        occupied.end().await;
        assert!(idp.idp().find_org("waits").is_ok());
        assert!(idp.idp().find_org("refused").is_err());
    });
}

#[test]
fn a_verb_whose_future_is_dropped_runs_to_its_end() {
    let (idp, _home) = idp(1, 4);
    let mut dropped = Box::pin(idp.run(|idp| idp.create_org(NewOrg::new("acme")).is_ok()));
    assert!(poll_once(dropped.as_mut()).is_none_or(|made| made.unwrap()));
    drop(dropped);
    // One thread: what is asked next runs after it.
    assert!(block_on(idp.run(|idp| idp.find_org("acme").is_ok())).unwrap());
}

#[test]
fn a_panic_is_the_askers_and_the_thread_goes_on() {
    let (idp, _home) = idp(1, 4);
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(idp.run(|_| panic!("as the test asks")))
    }));
    let payload = asked.map(|answer: Result<(), _>| answer.is_ok()).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"as the test asks"));
    assert!(block_on(idp.run(|idp| idp.create_org(NewOrg::new("acme")).is_ok())).unwrap());
}

#[test]
fn keys_at_hand_need_no_thread_and_stale_ones_are_read_on_one() {
    let home = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(agentidp_testkit::TestClock::default());
    let config = Config::memory().kek(KekSource::file(home.path().join("kek.key")));
    let idp = Idp::open(config.issuer("https://idp.example.com").clock(clock.clone())).unwrap();
    let idp = AsyncIdp::with(idp, 1, 1).unwrap();
    let occupied = Occupied::new(&idp, |_| ());
    block_on(async {
        assert_eq!(idp.jwks().await.unwrap().keys().len(), 2);
        idp.verifier().await.unwrap();
        clock.step(agentidp_core::base::limits::KEYS_STALE_MAX);
        assert!(idp.jwks().await.is_err() && idp.verifier().await.is_err());
        occupied.end().await;
        assert_eq!(idp.jwks().await.unwrap().keys().len(), 2);
        idp.verifier().await.unwrap();
    });
}

/// The one thread of an instance is busy, and the one place in its queue taken.
pub(crate) struct Occupied<'a> {
    release: Sender<()>,
    verbs: [Pin<Box<dyn Future<Output = ()> + 'a>>; 2],
}

impl<'a> Occupied<'a> {
    /// `waits` is the verb that has the place in the queue.
    pub(crate) fn new(idp: &'a AsyncIdp, waits: fn(&Idp)) -> Occupied<'a> {
        let (release, held) = channel();
        let (started, begun) = channel();
        let busy = move |_: &Idp| {
            started.send(()).unwrap();
            held.recv().unwrap();
        };
        let mut busy = Box::pin(async move { idp.run(busy).await.unwrap() });
        assert!(poll_once(busy.as_mut()).is_none());
        begun.recv().unwrap();
        let mut waiting = Box::pin(async move { idp.run(waits).await.unwrap() });
        assert!(poll_once(waiting.as_mut()).is_none());
        Occupied { release, verbs: [busy, waiting] }
    }

    /// Lets them go, and waits until both are done.
    pub(crate) async fn end(self) {
        self.release.send(()).unwrap();
        for verb in self.verbs {
            verb.await;
        }
    }
}

pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
