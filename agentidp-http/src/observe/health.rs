//! Whether the server is well: the database, the keys, the schema, the background work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agentidp_core::{Error, Idp};
use serde::Serialize;

/// For how long an answer of the database counts: strangers ask too.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Ticks that may be missing before the background work counts as dead.
const TICKS_MISSED_MAX: u32 = 3;
/// Longest time that one tick may take.
const TICK_TIME_MAX: Duration = Duration::from_secs(60);

/// What is known of it. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    worker: Mutex<Option<Pace>>,
    ticks: AtomicU64,
    ticks_failed: AtomicU64,
    /// When the instance was last looked at, and what was wrong with it.
    looked: Mutex<Option<(Instant, Option<&'static str>)>>,
}

#[derive(Clone, Copy)]
struct Pace {
    interval: Duration,
    ticked_at: Instant,
}

/// What `/readyz` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    status: &'static str,
    checks: [Check; 2],
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    /// The stable code of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl Health {
    /// The background work begins, and is to be heard of once in each interval.
    pub(crate) fn worker_expected_every(&self, interval: Duration) {
        *self.pace() = Some(Pace { interval, ticked_at: Instant::now() });
    }

    /// The background work was done.
    pub(crate) fn worker_ticked(&self) {
        self.0.ticks.fetch_add(1, Ordering::Relaxed);
        if let Some(pace) = &mut *self.pace() {
            pace.ticked_at = Instant::now();
        }
    }

    /// The background work failed.
    pub(crate) fn worker_failed(&self) {
        self.0.ticks_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Ticks that were done, and ticks that failed.
    pub(crate) fn ticks(&self) -> (u64, u64) {
        (self.0.ticks.load(Ordering::Relaxed), self.0.ticks_failed.load(Ordering::Relaxed))
    }

    /// What was lately wrong with the instance, if that is known.
    pub(crate) fn lately(&self) -> Option<Option<&'static str>> {
        let looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.and_then(|(at, wrong)| (at.elapsed() < KEPT_FOR).then_some(wrong))
    }

    /// Looks at the instance. Blocks.
    pub(crate) fn look(&self, idp: &Idp) -> Option<&'static str> {
        let wrong = idp.probe().err().map(|error: Error| error.code().as_str());
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        *looked = Some((Instant::now(), wrong));
        wrong
    }

    /// What to answer, with what is wrong with the instance.
    pub(crate) fn readiness(&self, instance: Option<&'static str>) -> Readiness {
        let worker = (!self.worker_lives()).then_some("worker_silent");
        let check = |name, code: Option<_>| Check { name, ok: code.is_none(), code };
        let checks = [check("instance", instance), check("worker", worker)];
        let ready = checks.iter().all(|check| check.ok);
        Readiness { status: if ready { "ready" } else { "not ready" }, checks }
    }

    /// A host without background work of ours has none that could be dead.
    fn worker_lives(&self) -> bool {
        self.pace().is_none_or(|pace| {
            pace.ticked_at.elapsed() < pace.interval * TICKS_MISSED_MAX + TICK_TIME_MAX
        })
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Option<Pace>> {
        self.0.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_not_heard_of_any_more_is_told() {
        let health = Health::default();
        assert!(health.readiness(None).is_ready(), "without a worker none is missed");
        health.worker_expected_every(Duration::from_secs(1));
        assert!(health.readiness(None).is_ready());
        let silent = Instant::now().checked_sub(Duration::from_secs(64));
        if let (Some(pace), Some(silent)) = (&mut *health.pace(), silent) {
            pace.ticked_at = silent;
        }
        let answer = health.readiness(None);
        assert!(!answer.is_ready());
        let answer = serde_json::to_string(&answer).unwrap();
        assert!(answer.contains(r#"{"name":"worker","ok":false,"code":"worker_silent"}"#));
        health.worker_ticked();
        assert!(health.readiness(None).is_ready());
        assert!(!health.readiness(Some("database_busy")).is_ready());
    }
}
