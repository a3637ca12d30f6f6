//! How many requests are answered at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests that are being answered. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct InFlight(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    now: AtomicUsize,
    max: usize,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Flying(InFlight);

impl InFlight {
    pub(crate) fn new(max: usize) -> InFlight {
        InFlight(Arc::new(Inner { now: AtomicUsize::new(0), max }))
    }

    /// One more, if there is room.
    pub(crate) fn begin(&self) -> Option<Flying> {
        let flying = Flying(self.clone());
        // Counted first: dropping it gives the place back also where there was none.
        (self.0.now.fetch_add(1, Ordering::Relaxed) < self.0.max).then_some(flying)
    }

    /// How many there are.
    pub(crate) fn now(&self) -> usize {
        self.0.now.load(Ordering::Relaxed)
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_as_may_and_again_when_they_are_done() {
        let in_flight = InFlight::new(2);
        let (first, second) = (in_flight.begin().unwrap(), in_flight.begin().unwrap());
        assert!(in_flight.begin().is_none() && in_flight.begin().is_none());
        assert_eq!(in_flight.now(), 2);
        drop(first);
        let third = in_flight.begin().unwrap();
        drop((second, third));
        assert_eq!(in_flight.now(), 0);
    }
}
