//! Whether the server is well: the database, the keys, the schema, the background work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agentidp_core::{Error, Idp};
use serde::Serialize;

use crate::answer::Inside;

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
    looked: Mutex<Option<(Instant, Option<Inside>)>>,
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
    pub(crate) fn lately(&self) -> Option<Option<Inside>> {
        let looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, wrong) = looked.as_ref()?;
        (at.elapsed() < KEPT_FOR).then(|| wrong.clone())
    }

    /// Looks at the instance. Blocks.
    pub(crate) fn look(&self, idp: &Idp) -> Option<Inside> {
        let hidden = |error: Error| Inside::hidden(error.code().as_str(), &error.to_string());
        let wrong = idp.probe().err().map(hidden);
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        *looked = Some((Instant::now(), wrong.clone()));
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
    /// The code of the first thing that is wrong.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        self.checks.iter().find_map(|check| check.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_not_heard_of_any_more_is_told() {
        let health = Health::default();
        assert_eq!(health.readiness(None).wrong(), None, "without a worker none is missed");
        health.worker_expected_every(Duration::from_secs(1));
        assert_eq!(health.readiness(None).wrong(), None);
        let silent = Instant::now().checked_sub(Duration::from_secs(64));
        if let (Some(pace), Some(silent)) = (&mut *health.pace(), silent) {
            pace.ticked_at = silent;
        }
        let answer = health.readiness(None);
        assert_eq!(answer.wrong(), Some("worker_silent"));
        let answer = serde_json::to_string(&answer).unwrap();
        assert!(answer.contains(r#"{"name":"worker","ok":false,"code":"worker_silent"}"#));
        health.worker_ticked();
        assert_eq!(health.readiness(None).wrong(), None);
        assert_eq!(health.readiness(Some("database_busy")).wrong(), Some("database_busy"));
    }
}
