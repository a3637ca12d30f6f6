//! A bounded memory of what was lately read (the clock algorithm): what is full gives up one value at
//! a time, and of all values one that nobody asked for since the hand last passed it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(super) struct SecondChance<K, V> {
    ring: RwLock<Ring<K, V>>,
    most: usize,
}

struct Ring<K, V> {
    places: HashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    /// The slot that is looked at next when room is needed.
    hand: usize,
}

struct Slot<K, V> {
    key: K,
    value: V,
    /// Whether it was asked for since the hand passed it. Set under the read lock, so that those who
    /// ask do not wait for one another.
    used: AtomicBool,
}

impl<K: Clone + Eq + Hash, V: Clone> SecondChance<K, V> {
    /// Room for `most` values.
    pub(super) fn new(most: usize) -> SecondChance<K, V> {
        let ring = Ring { places: HashMap::new(), slots: Vec::new(), hand: 0 };
        SecondChance { ring: RwLock::new(ring), most }
    }

    /// The value of `key`, which is thereby one that is used.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let ring = self.read();
        let slot = ring.slots.get(*ring.places.get(key)?)?;
        // Who is asked for often is marked already: reading that leaves the cache line with all cores.
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(slot.value.clone())
    }

    /// Keeps a value, in the place of the one that `key` had, or else of one that is not used.
    pub(super) fn keep(&self, key: K, value: V) {
        let mut ring = self.write();
        let known = ring.places.get(&key).copied();
        if let Some(slot) = known.and_then(|place| ring.slots.get_mut(place)) {
            slot.value = value;
            return;
        }
        let slot = Slot { key: key.clone(), value, used: AtomicBool::new(false) };
        let place = if ring.slots.len() < self.most {
            ring.slots.push(slot);
            ring.slots.len() - 1
        } else {
            let place = ring.unused();
            let Some(old) = ring.slots.get_mut(place) else { return };
            let old = std::mem::replace(old, slot);
            ring.places.remove(&old.key);
            place
        };
        ring.places.insert(key, place);
    }

    /// Forgets the value of `key`.
    pub(super) fn forget(&self, key: &K) {
        let mut ring = self.write();
        if let Some(place) = ring.places.get(key).copied() {
            ring.remove(place);
        }
    }

    /// Forgets every value that `doomed` names. Where there is none, nobody waits.
    pub(super) fn forget_all(&self, doomed: impl Fn(&V) -> bool) {
        if !self.read().slots.iter().any(|slot| doomed(&slot.value)) {
            return;
        }
        let mut ring = self.write();
        // From the end: what takes the place of a removed one was looked at before.
        for place in (0..ring.slots.len()).rev() {
            if ring.slots.get(place).is_some_and(|slot| doomed(&slot.value)) {
                ring.remove(place);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring<K, V>> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring<K, V>> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Ring<K, V> {
    /// The place of the next value that is not used. Each step takes a mark away that asking made, and
    /// so costs no more than the asking did; after one round there is none left to take.
    fn unused(&mut self) -> usize {
        loop {
            let place = if self.hand < self.slots.len() { self.hand } else { 0 };
            self.hand = place + 1;
            let used = self.slots.get_mut(place).map(|slot| std::mem::take(slot.used.get_mut()));
            if used != Some(true) {
                return place;
            }
        }
    }

    /// Takes a value out; the last one gets its place.
    fn remove(&mut self, place: usize) {
        if place >= self.slots.len() {
            return;
        }
        let removed = self.slots.swap_remove(place);
        self.places.remove(&removed.key);
        if let Some(moved) = self.slots.get(place)
            && let Some(known) = self.places.get_mut(&moved.key)
        {
            *known = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(most: usize) -> SecondChance<usize, usize> {
        let values = SecondChance::new(most);
        (0..most).for_each(|key| values.keep(key, key));
        values
    }

    /// The keys that are there, without marking any. Every key leads to its value.
    fn kept(values: &SecondChance<usize, usize>) -> Vec<usize> {
        let ring = values.read();
        assert_eq!(ring.places.len(), ring.slots.len());
        assert!(ring.slots.len() <= values.most);
        for (place, slot) in ring.slots.iter().enumerate() {
            assert_eq!(ring.places.get(&slot.key), Some(&place));
        }
        let mut keys: Vec<_> = ring.places.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn one_more_than_there_is_room_for_costs_one_and_not_all() {
        let values = full(100);
        values.keep(100, 100);
        assert_eq!(kept(&values), (1..=100).collect::<Vec<_>>());
        // The same value again takes no room.
        values.keep(100, 7);
        assert_eq!((kept(&values).len(), values.get(&100)), (100, Some(7)));
    }

    #[test]
    fn what_is_asked_for_again_and_again_survives_ten_times_as_many_that_are_not() {
        let values = full(100);
        for stranger in 1000..2000 {
            for busy in 20..40 {
                assert_eq!(values.get(&busy), Some(busy));
            }
            values.keep(stranger, stranger);
        }
        assert_eq!(kept(&values).len(), 100);
    }

    #[test]
    fn where_all_are_used_one_goes_and_the_others_keep_their_places() {
        let values = full(10);
        for key in 0..10 {
            values.get(&key);
        }
        values.keep(10, 10);
        assert_eq!(kept(&values), (1..=10).collect::<Vec<_>>());
        // The marks are spent: who is used from now on is told from who was.
        values.get(&1);
        values.keep(11, 11);
        assert_eq!(kept(&values), [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn what_is_forgotten_makes_room_and_takes_nothing_with_it() {
        let values = full(10);
        for key in [9, 0, 4, 4, 77] {
            values.forget(&key);
        }
        assert_eq!(kept(&values), [1, 2, 3, 5, 6, 7, 8]);
        (20..23).for_each(|key| values.keep(key, key));
        assert_eq!(kept(&values), [1, 2, 3, 5, 6, 7, 8, 20, 21, 22]);
        values.forget_all(|value| value % 2 == 0);
        assert_eq!(kept(&values), [1, 3, 5, 7, 21]);
        values.forget_all(|value| *value == 20);
        assert_eq!(kept(&values).len(), 5);
        values.forget_all(|_| true);
        assert_eq!(kept(&values).len(), 0);
        values.keep(1, 1);
        assert_eq!(values.get(&1), Some(1));
    }

    #[test]
    fn room_for_nothing_keeps_nothing() {
        let values = full(0);
        values.keep(1, 1);
        assert_eq!((kept(&values).len(), values.get(&1)), (0, None));
    }

    #[test]
    fn many_at_once_find_their_own_values_and_leave_the_room_in_order() {
        let values = full(64);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let values = &values;
                scope.spawn(move || {
                    for step in 0..5000_usize {
                        let key = (step * 31 + thread * 17) % 200;
                        assert!(values.get(&key).is_none_or(|value| value == key));
                        match step % 50 {
                            0 => values.forget(&key),
                            1 => values.forget_all(|value| value % 10 == thread),
                            _ => values.keep(key, key),
                        }
                    }
                });
            }
        });
        assert!(!kept(&values).is_empty());
    }
}
