//! How often somebody may ask. Who counts is the host's business; here is what it answers.

use std::time::Duration;

use crate::base::OrgId;
use crate::error::ErrorCode;

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateScope {
    /// Those of one address.
    Address,
    /// Those of one organization.
    Organization,
    /// All of them.
    Instance,
}

impl RateScope {
    /// The name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            RateScope::Address => "address",
            RateScope::Organization => "organization",
            RateScope::Instance => "instance",
        }
    }
}

/// As many requests have come as may, for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} requests a minute of one {} are the limit: wait {} s", per_minute_max, scope.as_str(), self.retry_after_seconds())]
pub struct RateLimited {
    /// Whose limit is reached.
    pub scope: RateScope,
    /// The limit.
    pub per_minute_max: i64,
    /// How long to wait before the next one.
    pub retry_after: Duration,
}

impl RateLimited {
    /// The row of the error table. That the instance has enough to do is nobody's fault.
    pub fn code(&self) -> ErrorCode {
        match self.scope {
            RateScope::Address | RateScope::Organization => ErrorCode::RateLimited,
            RateScope::Instance => ErrorCode::Overloaded,
        }
    }

    /// Whole seconds to wait, rounded up, at least one: the value of `Retry-After` (RFC 9110 section 10.2.3).
    ///
    /// ```
    /// use agentidp_core::{RateLimited, RateScope};
    /// use std::time::Duration;
    /// let retry_after = Duration::from_millis(1500);
    /// let limited = RateLimited { scope: RateScope::Organization, per_minute_max: 60, retry_after };
    /// assert_eq!(limited.retry_after_seconds(), 2);
    /// ```
    pub fn retry_after_seconds(&self) -> u64 {
        let whole = self.retry_after.as_secs();
        (whole + u64::from(self.retry_after.subsec_nanos() > 0)).max(1)
    }
}

/// Whether an organization, which may send so many requests in a minute, may send one more.
pub(crate) type RateLimit = dyn Fn(&OrgId, i64) -> Result<(), RateLimited> + Send + Sync;
