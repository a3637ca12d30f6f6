//! The rate limits of a process, and how they are told.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentidp_core::{OrgId, RateLimited, RateScope};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::keyed::Keyed;
use super::left::{self, Left};
use super::{LimitOptions, home_of};

/// Most addresses that are counted at once.
const ADDRESSES_MAX: usize = 100_000;
/// Most organizations that are counted at once.
const ORGANIZATIONS_MAX: usize = 100_000;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rates(Arc<Inner>);

struct Inner {
    per_address: Option<NonZeroU32>,
    in_all: Option<NonZeroU32>,
    addresses: Keyed<IpAddr>,
    organizations: Keyed<OrgId>,
    all: Keyed<()>,
    refused: [AtomicU64; 3],
}

impl Rates {
    pub(crate) fn new(options: &LimitOptions) -> Rates {
        Rates(Arc::new(Inner {
            per_address: options.per_address_per_minute.and_then(NonZeroU32::new),
            in_all: options.in_all_per_minute.and_then(NonZeroU32::new),
            addresses: Keyed::new(ADDRESSES_MAX),
            organizations: Keyed::new(ORGANIZATIONS_MAX),
            all: Keyed::new(1),
            refused: Default::default(),
        }))
    }

    /// One more request of an address, of whoever is behind it.
    ///
    /// # Errors
    /// [`RateLimited`] when it has sent as many as it may.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), RateLimited> {
        let Some(limit) = self.0.per_address else { return Ok(()) };
        let checked = self.0.addresses.check(&home_of(address), limit);
        checked.map_err(|wait| self.refuse(RateScope::Address, limit, wait))?;
        Ok(())
    }

    /// One more request of an organization, which has proven to be its own. First its own limit: what
    /// is refused there takes nothing of what all have together.
    ///
    /// # Errors
    /// [`RateLimited`] when it, or all together, have sent as many as they may.
    pub(crate) fn check_organization(
        &self,
        organization: &OrgId,
        per_minute_max: i64,
    ) -> Result<(), RateLimited> {
        // What no counter reaches in a minute is no limit; none at all is as little as there is.
        if let Ok(limit) = u32::try_from(per_minute_max.max(1)) {
            let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
            let checked = self.0.organizations.check(organization, limit);
            let requests =
                checked.map_err(|wait| self.refuse(RateScope::Organization, limit, wait))?;
            left::note(Left { per_minute_max: limit.get(), requests });
        }
        let Some(limit) = self.0.in_all else { return Ok(()) };
        let checked = self.0.all.check(&(), limit);
        checked.map_err(|wait| self.refuse(RateScope::Instance, limit, wait))?;
        Ok(())
    }

    /// How many requests each scope has refused.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 3] {
        [RateScope::Address, RateScope::Organization, RateScope::Instance]
            .map(|scope| (scope.as_str(), self.counter(scope).load(Ordering::Relaxed)))
    }

    fn refuse(&self, scope: RateScope, limit: NonZeroU32, retry_after: Duration) -> RateLimited {
        self.counter(scope).fetch_add(1, Ordering::Relaxed);
        RateLimited { scope, per_minute_max: limit.get().into(), retry_after }
    }

    fn counter(&self, scope: RateScope) -> &AtomicU64 {
        let [address, organization, instance] = &self.0.refused;
        match scope {
            RateScope::Address => address,
            RateScope::Organization => organization,
            RateScope::Instance => instance,
        }
    }
}

/// Tells whoever was refused when to come again: `Retry-After` (RFC 9110 section 10.2.3), and the
/// fields of draft-ietf-httpapi-ratelimit-headers-10, whose windows are in seconds.
pub(crate) fn write_limited(limited: &RateLimited, headers: &mut HeaderMap) {
    let seconds = limited.retry_after_seconds();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    let name = limited.scope.as_str();
    write(RATE_LIMIT_POLICY, format!("\"{name}\";q={};w=60", limited.per_minute_max), headers);
    write(RATE_LIMIT, format!("\"{name}\";r=0;t={seconds}"), headers);
}

/// Tells an organization what is left of its limit. The draft lets `t` be left out: what was used comes
/// back bit by bit, and at no moment all at once.
pub(crate) fn write_left(left: Left, headers: &mut HeaderMap) {
    let name = RateScope::Organization.as_str();
    write(RATE_LIMIT_POLICY, format!("\"{name}\";q={};w=60", left.per_minute_max), headers);
    write(RATE_LIMIT, format!("\"{name}\";r={}", left.requests), headers);
}

fn write(field: HeaderName, value: String, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(field, value);
    }
}
