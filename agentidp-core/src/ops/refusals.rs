//! Strangers may fail as often as they like; they may not fill a victim's log with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::{OrgId, Timestamp, limits};
use crate::store::StoreError;

use super::error::Fault;

/// Failed authentications that are told one by one, in each minute of the instance.
const TOLD_PER_MINUTE: u32 = 60;
const MINUTE: i64 = 60_000_000;

/// What to do about a failed authentication.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// Write its entry, and with it how many were passed over since the last one.
    Tell { passed_over: u32 },
    /// Count it.
    PassOver,
}

/// Whether an entry that failed so is not there: what it would have told is told by another.
pub(super) fn is_untold(fault: &Fault) -> bool {
    !matches!(fault, Fault::Store(StoreError::OutcomeUnknown(_)))
}

/// Counts failed authentications. Which of them are told is decided for all together, whoever they name:
/// a limit for each organization would let a stranger find out, by who waits for a disk and who does not,
/// which clients exist. What is passed over is counted for the log that it is missing from.
#[derive(Default)]
pub(super) struct RefusalLimit(Mutex<Failures>);

#[derive(Default)]
struct Failures {
    minute: Minute,
    /// What this minute passed over, which one of its failures may yet tell.
    passed_over: HashMap<OrgId, u32>,
    /// What earlier ones did.
    left: HashMap<OrgId, u32>,
}

impl RefusalLimit {
    /// One more, which belongs into the log of `organization`.
    pub(super) fn note(&self, organization: &OrgId, now: Timestamp) -> Telling {
        let mut failures = self.lock();
        failures.turn(now);
        if failures.minute.tells(now, TOLD_PER_MINUTE) {
            let now = failures.passed_over.remove(organization).unwrap_or(0);
            let before = failures.left.remove(organization).unwrap_or(0);
            return Telling::Tell { passed_over: now.saturating_add(before) };
        }
        failures.pass_over(organization, 1);
        Telling::PassOver
    }

    /// What was passed over in minutes that have ended, and no failure since has told of.
    pub(super) fn take_passed_over(&self, now: Timestamp) -> Vec<(OrgId, u32)> {
        let mut failures = self.lock();
        failures.turn(now);
        failures.left.drain().collect()
    }

    /// So many could not be told.
    pub(super) fn put_back(&self, organization: &OrgId, count: u32) {
        if count > 0 {
            self.lock().pass_over(organization, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    /// Sets aside what a minute passed over that has ended.
    fn turn(&mut self, now: Timestamp) {
        if self.minute.contains(now) {
            return;
        }
        for (organization, count) in self.passed_over.drain() {
            let left = self.left.entry(organization).or_default();
            *left = left.saturating_add(count);
        }
    }

    fn pass_over(&mut self, organization: &OrgId, more: u32) {
        let is_full = self.passed_over.len() >= limits::CLIENT_CACHE_MAX;
        // Where there is no room for one more, the instance is told that there were some.
        let system = OrgId::system();
        let knows = !is_full || self.passed_over.contains_key(organization);
        let log = if knows { organization } else { &system };
        let count = self.passed_over.entry(log.clone()).or_default();
        *count = count.saturating_add(more);
    }
}

#[derive(Default)]
struct Minute {
    began: i64,
    told: u32,
}

impl Minute {
    fn contains(&self, now: Timestamp) -> bool {
        (0..MINUTE).contains(&(now.as_micros() - self.began))
    }

    /// Whether one more is told, of `max` in a minute.
    fn tells(&mut self, now: Timestamp, max: u32) -> bool {
        if !self.contains(now) {
            *self = Minute { began: now.as_micros(), told: 0 };
        }
        let tells = self.told < max;
        self.told += u32::from(tells);
        tells
    }
}

/// Counts refusals that go on until somebody raises a limit, for each organization: one a minute is
/// told. Its members cause them, so there is nothing that a stranger could find out by them.
#[derive(Default)]
pub(super) struct OrgRefusals(Mutex<HashMap<OrgId, Refusals>>);

#[derive(Default)]
struct Refusals {
    minute: Minute,
    passed_over: u32,
}

impl OrgRefusals {
    /// So many could not be told.
    pub(super) fn put_back(&self, organization: &OrgId, count: u32) {
        if let Some(refusals) = self.lock().get_mut(organization) {
            refusals.passed_over = refusals.passed_over.saturating_add(count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, Refusals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, organization: &OrgId, now: Timestamp) -> Telling {
        let mut known = self.lock();
        if known.len() >= limits::CLIENT_CACHE_MAX && !known.contains_key(organization) {
            known.clear();
        }
        let refusals = known.entry(organization.clone()).or_default();
        if refusals.minute.tells(now, 1) {
            return Telling::Tell { passed_over: std::mem::take(&mut refusals.passed_over) };
        }
        refusals.passed_over = refusals.passed_over.saturating_add(1);
        Telling::PassOver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(number: usize) -> OrgId {
        OrgId::parse(&format!("01900000-0000-7000-8000-{number:012x}")).unwrap()
    }

    #[test]
    fn a_minute_tells_sixty_and_each_log_learns_how_many_more_were_its_own() {
        let limit = RefusalLimit::default();
        let at = Timestamp::from_seconds;
        for _ in 0..60 {
            assert_eq!(limit.note(&org(1), at(100)), Telling::Tell { passed_over: 0 });
        }
        for _ in 0..5 {
            assert_eq!(limit.note(&org(1), at(159)), Telling::PassOver);
        }
        assert_eq!(limit.note(&org(2), at(159)), Telling::PassOver);
        assert_eq!(limit.take_passed_over(at(159)), [], "the minute may yet tell");
        assert_eq!(limit.note(&org(1), at(160)), Telling::Tell { passed_over: 5 });
        assert_eq!(limit.note(&org(3), at(160)), Telling::Tell { passed_over: 0 });
        // Told also while the next minute is full of failures.
        assert_eq!(limit.take_passed_over(at(160)), [(org(2), 1)]);
        assert_eq!(limit.take_passed_over(at(220)), []);
        limit.put_back(&org(2), 1);
        assert_eq!(limit.take_passed_over(at(220)), [(org(2), 1)]);
        // A clock set back starts a minute of its own.
        assert_eq!(limit.note(&org(1), at(10)), Telling::Tell { passed_over: 0 });
    }

    #[test]
    fn a_clock_that_is_set_back_begins_a_minute_also_while_one_is_full() {
        let (limit, at) = (RefusalLimit::default(), Timestamp::from_seconds);
        for _ in 0..60 {
            assert_eq!(limit.note(&org(1), at(100)), Telling::Tell { passed_over: 0 });
        }
        assert_eq!(limit.note(&org(1), at(100)), Telling::PassOver);
        assert_eq!(limit.note(&org(1), at(99)), Telling::Tell { passed_over: 1 });
    }

    #[test]
    fn where_there_is_no_room_the_instance_learns_of_it() {
        let mut failures = Failures::default();
        for number in 0..limits::CLIENT_CACHE_MAX {
            failures.pass_over(&org(number), 1);
        }
        failures.pass_over(&org(limits::CLIENT_CACHE_MAX), 1);
        failures.pass_over(&org(7), 1);
        let count = |organization: &OrgId| failures.passed_over.get(organization).copied();
        assert_eq!((count(&OrgId::system()), count(&org(7))), (Some(1), Some(2)));
        assert_eq!(count(&org(limits::CLIENT_CACHE_MAX)), None);
    }

    #[test]
    fn an_organization_is_told_of_one_refusal_a_minute() {
        let limit = OrgRefusals::default();
        for last in [1, 2] {
            let told = limit.note(&org(last), Timestamp::from_seconds(100));
            assert_eq!(told, Telling::Tell { passed_over: 0 });
        }
        for _ in 0..3 {
            assert_eq!(limit.note(&org(1), Timestamp::from_seconds(159)), Telling::PassOver);
        }
        let told = limit.note(&org(1), Timestamp::from_seconds(160));
        assert_eq!(told, Telling::Tell { passed_over: 3 });
        let told = limit.note(&org(2), Timestamp::from_seconds(160));
        assert_eq!(told, Telling::Tell { passed_over: 0 });
        // What was told of once is not told of again.
        assert_eq!(limit.note(&org(1), Timestamp::from_seconds(219)), Telling::PassOver);
        let told = limit.note(&org(1), Timestamp::from_seconds(220));
        assert_eq!(told, Telling::Tell { passed_over: 1 });
    }
}
