//! The background work inside the server: keys that turn, entries that get their numbers.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use agentidp_core::Idp;
use tokio::sync::oneshot;

use crate::observe::{Health, Log, Metrics};

/// Credentials that expire within that time are counted as expiring soon.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often they are counted: it goes through all organizations.
const COUNTED_EVERY: Duration = Duration::from_secs(15 * 60);

/// The thread that does it.
pub(crate) struct Worker {
    stop: SyncSender<()>,
    /// Fails when the thread is over: it has the other half.
    over: oneshot::Receiver<()>,
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
        let (alive, over) = oneshot::channel();
        health.worker_expected_every(interval);
        let thread = std::thread::Builder::new().name("agentidp-worker".to_owned());
        thread.spawn(move || {
            let mut counted_at: Option<Instant> = None;
            loop {
                tick(&idp, &health, &log);
                if counted_at.is_none_or(|counted_at| counted_at.elapsed() >= COUNTED_EVERY) {
                    count(&idp, &metrics, &log);
                    counted_at = Some(Instant::now());
                }
                match stopped.recv_timeout(interval) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            // In this order: who waits for the end may have the last hold of the instance then.
            drop(idp);
            drop(alive);
        })?;
        Ok(Worker { stop, over })
    }

    /// Ends it once the unit of work that has begun is done. Whoever does not wait for that leaves the
    /// thread where it is.
    pub(crate) async fn stop(self) {
        let _ = self.stop.try_send(());
        let _ = self.over.await;
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
