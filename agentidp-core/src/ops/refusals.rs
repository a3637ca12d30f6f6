//! Strangers may fail as often as they like; they may not fill a victim's log with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::base::{OrgId, Timestamp, limits};

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

/// Counts failed authentications: all of them together, whoever they name. A count for each
/// organization would let a stranger find out, by who waits for a disk and who does not, which
/// clients exist.
#[derive(Default)]
pub(super) struct RefusalLimit(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    began: i64,
    told: u32,
    passed_over: u32,
}

impl RefusalLimit {
    pub(super) fn note(&self, now: Timestamp) -> Telling {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(now, TOLD_PER_MINUTE)
    }
}

impl Minute {
    fn note(&mut self, now: Timestamp, told_max: u32) -> Telling {
        let now = now.as_micros();
        if !(0..MINUTE).contains(&(now - self.began)) {
            self.began = now;
            self.told = 0;
        }
        if self.told >= told_max {
            self.passed_over = self.passed_over.saturating_add(1);
            return Telling::PassOver;
        }
        self.told += 1;
        Telling::Tell { passed_over: std::mem::take(&mut self.passed_over) }
    }
}

/// Counts refusals that go on until somebody raises a limit, for each organization: one a minute is
/// told. Its members cause them, so there is nothing that a stranger could find out by them.
#[derive(Default)]
pub(super) struct OrgRefusals(Mutex<HashMap<OrgId, Minute>>);

impl OrgRefusals {
    pub(super) fn note(&self, organization: &OrgId, now: Timestamp) -> Telling {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() >= limits::CLIENT_CACHE_MAX && !minutes.contains_key(organization) {
            minutes.clear();
        }
        minutes.entry(organization.clone()).or_default().note(now, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_tells_sixty_and_the_next_tells_how_many_more_there_were() {
        let limit = RefusalLimit::default();
        for _ in 0..60 {
            let told = limit.note(Timestamp::from_seconds(100));
            assert_eq!(told, Telling::Tell { passed_over: 0 });
        }
        for _ in 0..5 {
            assert_eq!(limit.note(Timestamp::from_seconds(159)), Telling::PassOver);
        }
        let told = limit.note(Timestamp::from_seconds(160));
        assert_eq!(told, Telling::Tell { passed_over: 5 });
        // A clock set back starts a minute of its own.
        let told = limit.note(Timestamp::from_seconds(10));
        assert_eq!(told, Telling::Tell { passed_over: 0 });
    }

    #[test]
    fn an_organization_is_told_of_one_refusal_a_minute() {
        let limit = OrgRefusals::default();
        let org =
            |last| OrgId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap();
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
    }
}
