//! What the server itself needs to know of a failure, beside what its client is told.

use std::time::Duration;

use agentidp_core::RateLimited;

/// In the extensions of the response that tells of a failure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inside {
    /// The stable text of its code.
    pub(crate) code: &'static str,
    /// What went wrong inside: for the log, and not for strangers.
    pub(crate) cause: Option<Box<str>>,
    /// The limit that was reached, of which the fields of the answer tell.
    pub(crate) limited: Option<Box<RateLimited>>,
    /// When to come again, where it was no such limit.
    pub(crate) retry_after: Option<Duration>,
}

impl Inside {
    /// Of a failure without a secret: it was told as it is.
    pub(crate) fn told(code: &'static str) -> Inside {
        Inside { code, ..Inside::default() }
    }

    /// Of a failure whose true words were not told.
    pub(crate) fn hidden(code: &'static str, cause: &str) -> Inside {
        Inside { code, cause: Some(cause.into()), ..Inside::default() }
    }
}
