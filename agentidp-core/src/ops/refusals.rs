//! Strangers may fail as often as they like; they may not fill a victim's log with it.

use std::sync::{Mutex, PoisonError};

use crate::base::Timestamp;

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
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_micros();
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
}
