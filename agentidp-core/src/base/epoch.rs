//! States of a database, as whoever alone writes it tells them apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A state of a database: as long as it is the same, what was read before reads the same now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// The state in which a database is found.
    pub const FIRST: Epoch = Epoch(1);

    /// The state after this one.
    #[must_use]
    pub fn next(self) -> Epoch {
        // There is no end to them: at one a nanosecond the last comes after five centuries.
        Epoch(self.0.wrapping_add(1))
    }
}

/// In which state of the database what was read of it was last seen to stand. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LastSeen(Arc<AtomicU64>);

impl LastSeen {
    /// Whether that was in `epoch`.
    pub fn is_in(&self, epoch: Epoch) -> bool {
        self.0.load(Ordering::Relaxed) == epoch.0
    }

    /// It stands in `epoch`.
    pub fn note(&self, epoch: Epoch) {
        self.0.store(epoch.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_in_one_state_was_not_seen_in_the_next() {
        let seen = LastSeen::default();
        assert!(!seen.is_in(Epoch::FIRST));
        seen.clone().note(Epoch::FIRST);
        assert!(seen.is_in(Epoch::FIRST));
        assert!(!seen.is_in(Epoch::FIRST.next()));
    }
}
