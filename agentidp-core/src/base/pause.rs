//! Waiting has one home, so that nothing else sleeps by accident.

use std::time::Duration;

/// Puts the calling thread to sleep for `time`.
#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
