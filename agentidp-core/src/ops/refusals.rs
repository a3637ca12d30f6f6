//! Strangers may fail as often as they like; they may not fill a victim's log with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::base::{OrgId, Timestamp};

/// Failed authentications of one organization that are told one by one, in each minute.
const TOLD_PER_MINUTE: u32 = 60;
/// Organizations that are watched at a time.
const WATCHED_MAX: usize = 10_000;
const MINUTE: i64 = 60_000_000;

/// What to do about a failed authentication.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// Write its entry, and with it how many were passed over since the last one.
    Tell { passed_over: u32 },
    /// Count it.
    PassOver,
}

/// Counts failed authentications by organization.
#[derive(Default)]
pub(super) struct RefusalLimit(Mutex<HashMap<OrgId, Minute>>);

struct Minute {
    began: i64,
    told: u32,
    passed_over: u32,
}

impl RefusalLimit {
    pub(super) fn note(&self, organization: &OrgId, now: Timestamp) -> Telling {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_micros();
        if watched.len() >= WATCHED_MAX && !watched.contains_key(organization) {
            watched.retain(|_, minute| minute.passed_over > 0 || now - minute.began < MINUTE);
            if watched.len() >= WATCHED_MAX {
                return Telling::PassOver;
            }
        }
        let fresh = Minute { began: now, told: 0, passed_over: 0 };
        let minute = watched.entry(organization.clone()).or_insert(fresh);
        if !(0..MINUTE).contains(&(now - minute.began)) {
            minute.began = now;
            minute.told = 0;
        }
        if minute.told >= TOLD_PER_MINUTE {
            minute.passed_over = minute.passed_over.saturating_add(1);
            return Telling::PassOver;
        }
        minute.told += 1;
        Telling::Tell { passed_over: std::mem::take(&mut minute.passed_over) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_tells_sixty_and_the_next_tells_how_many_more_there_were() {
        let limit = RefusalLimit::default();
        let org = OrgId::system();
        for _ in 0..60 {
            let told = limit.note(&org, Timestamp::from_seconds(100));
            assert_eq!(told, Telling::Tell { passed_over: 0 });
        }
        for _ in 0..5 {
            assert_eq!(limit.note(&org, Timestamp::from_seconds(159)), Telling::PassOver);
        }
        let told = limit.note(&org, Timestamp::from_seconds(160));
        assert_eq!(told, Telling::Tell { passed_over: 5 });
        // A clock set back starts a minute of its own.
        let told = limit.note(&org, Timestamp::from_seconds(10));
        assert_eq!(told, Telling::Tell { passed_over: 0 });
    }
}
