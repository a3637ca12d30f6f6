//! The threads that serve connections, one for each processor.
//!
//! A connection stays with the thread it was given, so nobody has to be woken to take it over; see ADR 0034.

use std::convert::Infallible;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// They end when this is dropped, with whatever they still serve.
pub(super) struct Threads(Vec<One>);

struct One {
    runtime: Handle,
    /// Each of its connections has one, too.
    connections: Arc<()>,
    _end: oneshot::Sender<Infallible>,
}

impl Threads {
    /// Starts one for each processor that we may use.
    pub(super) fn start() -> io::Result<Threads> {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        (0..count).map(|_| One::start()).collect::<io::Result<_>>().map(Threads)
    }

    /// That with the fewest connections, and what one more connection is to hold while it lasts.
    pub(super) fn least_busy(&self) -> Option<(&Handle, Arc<()>)> {
        let least = self.0.iter().min_by_key(|one| Arc::strong_count(&one.connections))?;
        Some((&least.runtime, Arc::clone(&least.connections)))
    }
}

impl One {
    /// Handlers hand over what waits, and do nothing long themselves.
    ///
    /// What the committer wakes comes through a queue that tokio else looks into now and then while a thread has
    /// tasks of its own. Those are requests that just came; an answer is short, and its client has waited
    /// longest. They take turns: at 1 nobody who just came is heard while answers go on coming.
    fn start() -> io::Result<One> {
        let runtime =
            Builder::new_current_thread().global_queue_interval(2).enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("agentidp-http".to_owned()).spawn(move || {
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(One { runtime: handle, connections: Arc::default(), _end: end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out_and_the_threads_end() {
        let threads = Threads((0..3).map(|_| One::start().unwrap()).collect());
        let counts = || {
            let count = |one: &One| Arc::strong_count(&one.connections) - 1;
            threads.0.iter().map(count).collect::<Vec<_>>()
        };
        let take = || threads.least_busy().map(|(_, held)| held).unwrap();
        let mut held: Vec<_> = (0..7).map(|_| take()).collect();
        assert_eq!(counts(), [3, 2, 2]);
        held.retain(|one| !Arc::ptr_eq(one, &threads.0[1].connections));
        held.extend([take(), take()]);
        assert_eq!(counts(), [3, 2, 2]);
        let (runtime, _) = threads.least_busy().unwrap();
        let (told, outcome) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            told.send(thread::current().name().map(str::to_owned)).unwrap();
            std::future::pending::<()>().await;
            drop(told);
        });
        assert_eq!(outcome.recv().unwrap().as_deref(), Some("agentidp-http"));
        drop(threads);
        assert!(outcome.recv().is_err(), "what it still serves ends with it");
    }
}
