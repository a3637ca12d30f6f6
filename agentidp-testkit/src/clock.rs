//! A clock that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use agentidp_core::{Clock, Timestamp};

/// A clock that moves by a microsecond each time it is read, so that what happens in turn has times in
/// that order, and otherwise when a test moves it. Clones show the same time.
///
/// ```
/// use agentidp_core::Clock as _;
/// use agentidp_testkit::TestClock;
/// use std::time::Duration;
/// let clock = TestClock::default();
/// let before = clock.now();
/// clock.step(Duration::from_secs(60));
/// assert_eq!(clock.now().as_seconds(), before.as_seconds() + 60);
/// ```
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> TestClock {
        TestClock(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// Moves it to `now`, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves it forward.
    pub fn step(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("a step that fits a clock");
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    /// 2026-11-22T03:00:00Z.
    fn default() -> TestClock {
        TestClock::at(Timestamp::from_seconds(1_795_316_400))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_creeps_until_it_is_moved() {
        let clock = TestClock::default();
        let other = clock.clone();
        let start = clock.now();
        assert_eq!(clock.now(), start.plus(Duration::from_micros(1)));
        clock.step(Duration::from_secs(60));
        assert_eq!(other.now().as_seconds(), start.as_seconds() + 60);
        clock.set(start);
        assert_eq!(other.now(), start);
    }
}
