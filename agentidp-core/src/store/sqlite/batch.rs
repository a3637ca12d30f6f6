//! The callers that borrowed the connection and share one commit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::store::StoreError;

use super::writer::{Answer, Company};

/// The callers that share one commit.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) members: AtomicUsize,
    outcome: Mutex<Option<Outcome>>,
    finished: Condvar,
}

/// How it ended.
pub(super) enum Outcome {
    Committed,
    Failed(StoreError),
}

impl Batch {
    /// Tells the callers how it ended.
    pub(super) fn finish(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.finished.notify_all();
    }

    /// Waits until it ended, and tells one of the callers what that means for it.
    pub(super) fn wait(&self, company: Company) -> Answer {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*outcome {
                Some(Outcome::Committed) => return Answer::Final(Ok(())),
                Some(Outcome::Failed(error))
                    if company == Company::Alone
                        || self.members.load(Ordering::Relaxed) == 1
                        || is_final(error) =>
                {
                    return Answer::Final(Err(error.clone()));
                }
                Some(Outcome::Failed(_)) => return Answer::RunAlone,
                None => {
                    outcome = self.finished.wait(outcome).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// Whether a batch that failed so must not run again: it may have been committed.
pub(super) fn is_final(error: &StoreError) -> bool {
    matches!(error, StoreError::OutcomeUnknown(_))
}
