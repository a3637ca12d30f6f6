//! Group commit for closures that own what they need: one caller runs the closures of all.
//!
//! Handing the connection from thread to thread costs a wake-up for every closure, which on a busy
//! machine is more than the closure itself. A closure that borrows nothing can be run by whoever
//! leads: callers leave theirs in a queue, the first becomes the leader, and the others sleep until
//! the commit that answers them. While a leader waits for the disk the next batch gathers.
//!
//! A caller that must not sleep leaves its closure with somebody to tell, and goes on: such closures are
//! led by the committer, a [`helper`](super::helper), unless a caller leads already.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use crate::base::limits;
use crate::store::{Done, OwnedBody, Scope, StoreError};

/// Callers whose closures wait for a leader.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    tickets: Vec<Arc<Ticket>>,
    /// Whether some caller or the committer leads, or is about to.
    led: bool,
}

/// One caller's closure, and what becomes of it.
pub(super) struct Ticket {
    pub(super) scope: Scope,
    body: Mutex<Box<OwnedBody>>,
    owner: Owner,
    turn: Mutex<Turn>,
}

enum Owner {
    /// It sleeps until its turn.
    Asleep(Thread),
    /// It went on, and this is told in its place.
    Gone(Mutex<Option<Done>>),
}

/// What a waiting caller is to do next.
pub(super) enum Turn {
    /// Sleep.
    Wait,
    /// Run the closures of all that wait.
    Lead,
    /// Go home with this.
    Answered(Result<(), StoreError>),
    /// The batch was lost, maybe through another's fault: run the closure alone.
    RunAlone,
    /// The closure panicked in the leader's thread: panic in the caller's.
    Panicked(Box<dyn Any + Send>),
}

impl Turn {
    /// What somebody is told who does nothing more about it.
    fn outcome(self) -> Option<Result<(), StoreError>> {
        match self {
            Turn::Answered(result) => Some(result),
            Turn::Panicked(_) => Some(Err(StoreError::Failed("the closure panicked".to_owned()))),
            Turn::Wait | Turn::Lead | Turn::RunAlone => None,
        }
    }
}

impl Ticket {
    fn new(scope: &Scope, body: Box<OwnedBody>, owner: Owner) -> Arc<Ticket> {
        Arc::new(Ticket {
            scope: scope.clone(),
            body: Mutex::new(body),
            owner,
            turn: Mutex::new(Turn::Wait),
        })
    }

    /// Whether its owner went on.
    pub(super) fn is_left(&self) -> bool {
        matches!(self.owner, Owner::Gone(_))
    }

    /// The closure, for whoever runs it.
    pub(super) fn body(&self) -> MutexGuard<'_, Box<OwnedBody>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the caller what to do, and wakes it; tells the outcome to whom it left to be told.
    pub(super) fn tell(&self, turn: Turn) {
        match &self.owner {
            Owner::Asleep(thread) => {
                *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
                thread.unpark();
            }
            Owner::Gone(done) => {
                let done = done.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Whoever is told must not take the leader along, nor what a panic left behind: others wait to
                // be told as well.
                let _ = catch_unwind(AssertUnwindSafe(move || {
                    let panicked =
                        || Some(Err(StoreError::Failed("the closure panicked".to_owned())));
                    let outcome = catch_unwind(AssertUnwindSafe(|| turn.outcome()));
                    let outcome = outcome.unwrap_or_else(|_| panicked());
                    if let (Some(done), Some(outcome)) = (done, outcome) {
                        done(outcome);
                    }
                }));
            }
        }
    }

    /// Sleeps until told what to do. Called by the owner alone.
    pub(super) fn wait(&self) -> Turn {
        loop {
            let turn = std::mem::replace(
                &mut *self.turn.lock().unwrap_or_else(PoisonError::into_inner),
                Turn::Wait,
            );
            match turn {
                Turn::Wait => std::thread::park(),
                told => return told,
            }
        }
    }
}

impl Queue {
    /// Leaves a closure in the queue; tells whether its caller is to lead at once.
    pub(super) fn join(&self, scope: &Scope, body: Box<OwnedBody>) -> (Arc<Ticket>, bool) {
        let ticket = Ticket::new(scope, body, Owner::Asleep(std::thread::current()));
        let leads = self.push(Arc::clone(&ticket));
        (ticket, leads)
    }

    /// Leaves a closure in the queue, and `done` to be told; tells whether nobody leads.
    pub(super) fn leave(&self, scope: &Scope, body: Box<OwnedBody>, done: Done) -> bool {
        self.push(Ticket::new(scope, body, Owner::Gone(Mutex::new(Some(done)))))
    }

    fn push(&self, ticket: Arc<Ticket>) -> bool {
        let mut waiting = self.lock();
        waiting.tickets.push(ticket);
        !std::mem::replace(&mut waiting.led, true)
    }

    /// The closures that the leader runs, its own among them.
    pub(super) fn take(&self) -> Vec<Arc<Ticket>> {
        let mut waiting = self.lock();
        let count = waiting.tickets.len().min(limits::GROUP_COMMIT_MAX);
        waiting.tickets.drain(..count).collect()
    }

    /// Whether nobody waits; nobody leads from then on.
    pub(super) fn is_done(&self) -> bool {
        let mut waiting = self.lock();
        waiting.led = !waiting.tickets.is_empty();
        !waiting.led
    }

    /// Who leads next, if anybody waits: a caller is told, and for one that went on `false` is answered,
    /// for the committer has to.
    pub(super) fn pass_on(&self) -> bool {
        let mut waiting = self.lock();
        match waiting.tickets.first() {
            Some(next) if next.is_left() => return false,
            Some(next) => next.tell(Turn::Lead),
            None => waiting.led = false,
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
