//! How many connections there are, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::home_of;

/// The connections of a listener. Cheap to clone.
#[derive(Clone)]
pub(super) struct Crowd(Arc<Inner>);

struct Inner {
    room: Arc<Semaphore>,
    per_address_max: usize,
    open: Arc<AtomicUsize>,
    /// As many entries as there are connections at most.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A place for a connection that is to come.
pub(super) struct Place(OwnedSemaphorePermit);

/// A connection that is counted.
pub(super) struct Counted {
    crowd: Crowd,
    address: IpAddr,
    limited: bool,
    _place: OwnedSemaphorePermit,
}

impl Crowd {
    /// So many at most; how many there are is told in `open`.
    pub(super) fn new(
        connections_max: usize,
        per_address_max: usize,
        open: Arc<AtomicUsize>,
    ) -> Crowd {
        let room = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        let by_address = Mutex::default();
        Crowd(Arc::new(Inner { room, per_address_max, open, by_address }))
    }

    /// A place for one more, once there is one.
    pub(super) async fn place(&self) -> Option<Place> {
        // It is never closed.
        Arc::clone(&self.0.room).acquire_owned().await.ok().map(Place)
    }

    /// Counts a connection from `address`. `None` when the address has as many as it may, where that
    /// is limited.
    pub(super) fn admit(&self, place: Place, address: IpAddr, limited: bool) -> Option<Counted> {
        if limited {
            let mut by_address = self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_address.entry(home_of(address)).or_insert(0);
            if *count >= self.0.per_address_max.max(1) {
                return None;
            }
            *count += 1;
        }
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Some(Counted { crowd: self.clone(), address, limited, _place: place.0 })
    }
}

impl Counted {
    /// Where the connection comes from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let inner = &self.crowd.0;
        inner.open.fetch_sub(1, Ordering::Relaxed);
        if !self.limited {
            return;
        }
        let address = home_of(self.address);
        let mut by_address = inner.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_its_share_and_no_more_and_leaves_nothing_behind() {
        let crowd = Crowd::new(4, 2, Arc::default());
        let open = || crowd.0.open.load(Ordering::Relaxed);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        let admit =
            async |address, limited| crowd.admit(crowd.place().await.unwrap(), address, limited);
        let first = admit(one, true).await.unwrap();
        let second = admit(neighbour, true).await.unwrap();
        assert!(admit(one, true).await.is_none(), "the third of one network");
        let third = admit(other, true).await.unwrap();
        let fourth = admit(one, false).await.unwrap();
        assert_eq!(open(), 4);
        let full = tokio::time::timeout(std::time::Duration::from_millis(20), crowd.place()).await;
        assert!(full.is_err(), "there is no fifth place");
        drop((first, second, third, fourth));
        assert_eq!(open(), 0);
        assert!(crowd.0.by_address.lock().unwrap().is_empty());
    }
}
