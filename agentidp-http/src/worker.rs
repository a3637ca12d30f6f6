//! The background work inside the server: keys that turn, entries that get their numbers.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agentidp_core::Idp;

use crate::observe::{Health, Log, Metrics};

/// Credentials that expire within that time are counted as expiring soon.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often they are counted: it goes through all organizations.
const COUNTED_EVERY: Duration = Duration::from_secs(15 * 60);

/// The thread that does it.
pub(crate) struct Worker {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Does what is due now, and then once in each interval.
    pub(crate) fn start(
        idp: Idp,
        interval: Duration,
        health: Health,
        metrics: Metrics,
        log: Log,
    ) -> io::Result<Worker> {
        let (stop, stopped) = sync_channel(1);
        health.worker_expected_every(interval);
        let thread = std::thread::Builder::new().name("agentidp-worker".to_owned());
        let thread = thread.spawn(move || {
            let mut counted_at: Option<Instant> = None;
            loop {
                tick(&idp, &health, &log);
                if counted_at.is_none_or(|counted_at| counted_at.elapsed() >= COUNTED_EVERY) {
                    count(&idp, &metrics, &log);
                    counted_at = Some(Instant::now());
                }
                match stopped.recv_timeout(interval) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Worker { stop, thread })
    }

    /// Ends it once the unit of work that has begun is done.
    pub(crate) fn stop(self) {
        let _ = self.stop.try_send(());
        // A panic has been printed by its thread.
        let _ = self.thread.join();
    }
}

fn tick(idp: &Idp, health: &Health, log: &Log) {
    match idp.tick() {
        Ok(done) => {
            health.worker_ticked();
            for change in &done.keys {
                log.note(&format!("key {} {}", change.event.as_str(), change.kid));
            }
        }
        Err(error) => {
            health.worker_failed();
            log.error(&format!("background work: {error}"));
        }
    }
}

fn count(idp: &Idp, metrics: &Metrics, log: &Log) {
    match idp.credentials_expiring(SOON) {
        Ok(count) => metrics.credentials_expire_soon(count),
        Err(error) => log.error(&format!("counting credentials that expire: {error}")),
    }
}
