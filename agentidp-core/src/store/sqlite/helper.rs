//! Threads that help the writer of a store which lives long: each sleeps until its bell rings.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::writer::Writer;

/// Wakes a helper.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
    has_rung: AtomicBool,
}

#[derive(Default)]
struct State {
    rung: bool,
    closed: bool,
}

impl Bell {
    /// There is something to do.
    pub(super) fn ring(&self) {
        self.has_rung.store(true, Ordering::Relaxed);
        self.lock().rung = true;
        self.changed.notify_one();
    }

    /// Whether it rang at all so far.
    pub(super) fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Sleeps until it rings; `false` once it never will.
    fn wait(&self) -> bool {
        let idle = |state: &mut State| !state.rung && !state.closed;
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.rung)
    }

    /// Sleeps for `time`, or until it closes.
    pub(super) fn pause(&self, time: Duration) {
        let open = |state: &mut State| !state.closed;
        drop(self.changed.wait_timeout_while(self.lock(), time, open));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, which ends when it is dropped, after what it was rung for is done. Dropped in that very
/// thread, it ends a little later.
pub(super) struct Helper {
    writer: Arc<Writer>,
    bell: fn(&Writer) -> &Bell,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    /// Starts it. `None` where the system has no thread for us.
    pub(super) fn start(
        name: &str,
        writer: &Arc<Writer>,
        bell: fn(&Writer) -> &Bell,
        mut work: impl FnMut(&Writer) + Send + 'static,
    ) -> Option<Helper> {
        let helped = Arc::clone(writer);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while bell(&helped).wait() {
                work(&helped);
            }
        });
        Some(Helper { writer: Arc::clone(writer), bell, thread: Some(thread.ok()?) })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        (self.bell)(&self.writer).close();
        // Whoever is told an outcome may drop the last handle to the store, in this very thread.
        let of_another =
            |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(of_another) {
            let _ = thread.join();
        }
    }
}
