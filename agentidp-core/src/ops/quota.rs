//! Month quotas: how many tokens an organization has issued in a calendar month (UTC).
//!
//! Where a row that all issuers of an organization update is cheap, the transaction that issues a token
//! counts it. Elsewhere a process sets a part of the quota aside, in a transaction of its own, and
//! counts that in memory: the row then tells what was issued *or set aside*, so it never exceeds the
//! limit. What a process did not use it returns when it closes, after a while, and at the end of the
//! month; what one that is killed had set aside is lost for the month.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::base::{Month, OrgId, Timestamp, limits};
use crate::model::{Action, Client, TokenUsage};
use crate::store::{Scope, StoreError, Tx, usage};

use super::acting::Acting;
use super::context::Context;
use super::error::{Fault, TokenError};
use super::journal::{Event, reason, refuse};
use super::refusals::{OrgRefusals, Telling, is_untold};

/// How many parts of what is left of a quota one process takes at most: others want some too.
const SHARES: i64 = 16;
/// Reads of what is left before giving up: somebody else was quicker each time.
const ATTEMPTS_MAX: u32 = 5;

/// What this process has set aside, for each organization.
#[derive(Default)]
pub(super) struct Quotas {
    leases: RwLock<HashMap<OrgId, Arc<Mutex<Lease>>>>,
    refusals: OrgRefusals,
}

/// A part of an organization's quota of one month.
struct Lease {
    month: Month,
    left: i64,
    until: Timestamp,
    /// The organization's limit when it was set aside.
    per_month_max: i64,
}

/// The place of one token in its month's quota. Dropped, it is free again, unless it was
/// [kept](Place::keep).
pub(super) struct Place {
    lease: Arc<Mutex<Lease>>,
    month: Month,
    kept: bool,
}

impl Place {
    /// The token was issued, or may have been.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lease = lock(&self.lease);
        if !self.kept && lease.month == self.month {
            lease.left += 1;
        }
    }
}

/// What one token finds of its month's quota.
pub(super) enum Taken {
    /// A place, of what was set aside.
    Place(Place),
    /// The transaction that issues the token is to count it.
    ToCount,
    /// Nothing is left.
    Full,
}

/// Takes the place of one token from what was set aside. Nobody is told when there is none: the client
/// may be one that was read a while ago, and is not refused by its quota if it is refused as a client.
pub(super) fn take(context: &Context, client: &Client, now: Timestamp) -> Result<Taken, Fault> {
    if context.store.is_hot_row_cheap() {
        return Ok(Taken::ToCount);
    }
    let month = Month::of(now);
    let shared = context.quotas.lease(context, &client.organization_id, month)?;
    // Those who come while one renews the lease wait for it here, and need none of their own.
    let mut lease = lock(&shared);
    let limit_moved = lease.per_month_max != client.terms.per_month_max;
    if lease.month != month || lease.left == 0 || now >= lease.until || limit_moved {
        renew(context, client, &mut lease, now)?;
    }
    if lease.left == 0 {
        return Ok(Taken::Full);
    }
    lease.left -= 1;
    drop(lease);
    Ok(Taken::Place(Place { lease: shared, month, kept: false }))
}

/// Returns what is left of a lease, and sets a new part aside.
fn renew(
    context: &Context,
    client: &Client,
    lease: &mut Lease,
    now: Timestamp,
) -> Result<(), Fault> {
    let month = Month::of(now);
    let per_month_max = client.terms.per_month_max;
    let scope = Scope::Org(client.organization_id.clone());
    let set_aside = context.store.write::<_, StoreError>("set tokens aside", &scope, |tx| {
        if lease.left > 0 {
            usage::give_back(tx, lease.month, lease.left)?;
        }
        set_aside(tx, month)
    });
    settle(lease, set_aside.as_ref().err());
    let left = set_aside?;
    *lease = Lease { month, left, until: now.plus(limits::QUOTA_LEASE_LIFE), per_month_max };
    Ok(())
}

/// Sets a part of what is left aside: a sixteenth, so down to 1 near the limit.
fn set_aside(tx: &mut dyn Tx, month: Month) -> Result<i64, StoreError> {
    for attempt in 1..=ATTEMPTS_MAX {
        let (issued, limit) = usage::issued(tx, month)?.unwrap_or_default();
        let left = limit - issued;
        if left <= 0 {
            return Ok(0);
        }
        let share = (left / SHARES).clamp(1, limits::QUOTA_LEASE_MAX);
        let share = if attempt == ATTEMPTS_MAX { 1 } else { share };
        if tx.count_tokens(month, share, limit)? {
            return Ok(share);
        }
    }
    Ok(0)
}

/// What a lease holds after a transaction that was to return it ended with `error`: nothing, if it
/// may have been returned, since what is returned twice would be issued twice.
fn settle(lease: &mut Lease, error: Option<&StoreError>) {
    if matches!(error, None | Some(StoreError::OutcomeUnknown(_))) {
        lease.left = 0;
    }
}

/// Tells the log, at most once a minute, that the organization has no more tokens this month.
pub(super) fn refused(
    context: &Context,
    client: &Client,
    now: Timestamp,
) -> Result<TokenError, Fault> {
    let (limit, month) = (client.terms.per_month_max, Month::of(now));
    let wait = month.end().as_seconds().saturating_sub(now.as_seconds());
    let retry_after = Duration::from_secs(wait.unsigned_abs());
    let error = TokenError::QuotaExceeded { limit, month, retry_after };
    let organization = &client.organization_id;
    if let Telling::Tell { passed_over } = context.quotas.refusals.note(organization, now) {
        let mut event = Event::refused(super::tokens::ISSUED, reason(error.code()))
            .actor(client.agent_id.as_str())
            .with("month", month.to_string());
        if passed_over > 0 {
            event = event.with("passedOver", passed_over);
        }
        let told = refuse(context, organization, &event);
        if told.as_ref().is_err_and(is_untold) {
            context.quotas.refusals.put_back(organization, passed_over);
        }
        told?;
    }
    Ok(error)
}

/// Returns what was set aside and not used for a while, or for a month that is over.
pub(crate) fn return_unused(context: &Context, now: Timestamp) -> Result<(), Fault> {
    let returned = context
        .quotas
        .give_back(context, |lease| now >= lease.until || lease.month != Month::of(now));
    context.quotas.forget_empty();
    returned
}

/// How much of this month's quota the organization has used.
pub(crate) fn usage(acting: &Acting<'_>) -> Result<TokenUsage, TokenError> {
    let context = acting.context;
    let month = Month::of(context.now());
    let issued =
        acting.read(Action::SeeOrg, |tx| usage::issued(tx, month)?.ok_or(TokenError::NotFound));
    let (issued, limit) = issued?;
    let unused = context.quotas.unused(acting.organization, month);
    Ok(TokenUsage { month, issued: (issued - unused).max(0), limit })
}

impl Quotas {
    /// The organization's lease, which may be used up.
    fn lease(
        &self,
        context: &Context,
        organization: &OrgId,
        month: Month,
    ) -> Result<Arc<Mutex<Lease>>, Fault> {
        if let Some(lease) = self.read().get(organization) {
            return Ok(Arc::clone(lease));
        }
        if self.read().len() >= limits::QUOTA_LEASES_MAX {
            self.give_back(context, |_| true)?;
            self.forget_empty();
        }
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        let none = || Lease { month, left: 0, until: Timestamp::from_micros(0), per_month_max: 0 };
        let lease = leases.entry(organization.clone());
        Ok(Arc::clone(lease.or_insert_with(|| Arc::new(Mutex::new(none())))))
    }

    /// Returns what is left of the leases that `which` picks.
    fn give_back(&self, context: &Context, which: impl Fn(&Lease) -> bool) -> Result<(), Fault> {
        let leases: Vec<_> =
            self.read().iter().map(|(id, lease)| (id.clone(), Arc::clone(lease))).collect();
        let mut failed = Ok(());
        for (organization, lease) in leases {
            let mut lease = lock(&lease);
            if lease.left == 0 || !which(&lease) {
                continue;
            }
            let (month, left) = (lease.month, lease.left);
            let scope = Scope::Org(organization);
            let returned = context
                .store
                .write("return tokens", &scope, |tx| usage::give_back(tx, month, left));
            settle(&mut lease, returned.as_ref().err());
            // One organization's failure keeps no other's part.
            failed = failed.and(returned.map_err(Fault::from));
        }
        failed
    }

    /// Forgets leases that hold nothing and that nobody has in hand.
    fn forget_empty(&self) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, lease| Arc::strong_count(lease) > 1 || lock(lease).left > 0);
    }

    /// What this process has set aside of the organization's month and not used.
    pub(super) fn unused(&self, organization: &OrgId, month: Month) -> i64 {
        let lease = self.read().get(organization).cloned();
        let Some(lease) = lease else { return 0 };
        let lease = lock(&lease);
        if lease.month == month { lease.left } else { 0 }
    }

    /// Returns everything, as far as the database lets it.
    pub(super) fn close(&self, context: &Context) {
        // Nobody can be told. What cannot be returned is lost for the month.
        let _ = self.give_back(context, |_| true);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<OrgId, Arc<Mutex<Lease>>>> {
        self.leases.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(lease: &Mutex<Lease>) -> MutexGuard<'_, Lease> {
    lease.lock().unwrap_or_else(PoisonError::into_inner)
}
