//! The thread that leads where callers do not wait: it sleeps until the bell rings.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::writer::Writer;

/// Wakes the committer.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rung: bool,
    closed: bool,
}

impl Bell {
    /// There is a batch to lead.
    pub(super) fn ring(&self) {
        self.lock().rung = true;
        self.changed.notify_one();
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, which ends when it is dropped, after what was left to it is committed.
pub(super) struct Committer {
    writer: Arc<Writer>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts it. `None` where the system has no thread for us.
    pub(super) fn start(writer: &Arc<Writer>) -> Option<Committer> {
        let leading = Arc::clone(writer);
        let thread = std::thread::Builder::new().name("agentidp-commit".to_owned());
        let thread = thread.spawn(move || {
            while leading.bell().wait() {
                leading.lead(usize::MAX);
            }
        });
        Some(Committer { writer: Arc::clone(writer), thread: Some(thread.ok()?) })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.writer.bell().close();
        // Whoever is told an outcome may drop the last handle to the store, in this very thread.
        let of_another = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(of_another) {
            let _ = thread.join();
        }
    }
}
