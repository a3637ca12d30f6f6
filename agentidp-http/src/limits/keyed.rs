//! A rate limit for each of many keys, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::state::InMemoryState;
use governor::{Quota, RateLimiter};

/// Parts of the table, each behind a lock of its own.
const SHARDS: usize = 16;
/// In which an unused key has its whole limit again.
const WINDOW: Duration = Duration::from_secs(60);

type Limiter<C> =
    RateLimiter<governor::state::NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// The limits of many keys.
///
/// A key that was not used for a minute has its whole limit again, and is forgotten when room is
/// needed. Where all keys of a part are in use, all of them are forgotten and begin anew: too many
/// then come through, and nobody is refused for what others do.
pub(super) struct Keyed<K, C: Clock = DefaultClock> {
    shards: Vec<Mutex<HashMap<K, Entry<C>>>>,
    per_shard_max: usize,
    hasher: RandomState,
    clock: C,
}

struct Entry<C: Clock> {
    per_minute_max: NonZeroU32,
    limiter: Limiter<C>,
    used_at: C::Instant,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// Limits for at most `keys_max` keys, or a few more.
    pub(super) fn new(keys_max: usize) -> Keyed<K> {
        Keyed::with_clock(keys_max, DefaultClock::default())
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Keyed<K, C> {
    fn with_clock(keys_max: usize, clock: C) -> Keyed<K, C> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let per_shard_max = keys_max.div_ceil(SHARDS);
        Keyed { shards, per_shard_max, hasher: RandomState::new(), clock }
    }

    /// One more of `key`, which may have so many in a minute; how many more may come now.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn check(&self, key: &K, per_minute_max: NonZeroU32) -> Result<u32, Duration> {
        let now = self.clock.now();
        let number = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(number) else { return Ok(per_minute_max.get()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.get_mut(key)
            && entry.per_minute_max == per_minute_max
        {
            entry.used_at = now;
            return check(&entry.limiter, now);
        }
        if shard.len() >= self.per_shard_max {
            make_room(&mut shard, now, self.per_shard_max);
        }
        let quota = Quota::per_minute(per_minute_max);
        let limiter = RateLimiter::direct_with_clock(quota, self.clock.clone()).with_middleware();
        let checked = check(&limiter, now);
        shard.insert(key.clone(), Entry { per_minute_max, limiter, used_at: now });
        checked
    }
}

fn check<C: Clock>(limiter: &Limiter<C>, now: C::Instant) -> Result<u32, Duration> {
    let checked = limiter.check().map(|state| state.remaining_burst_capacity());
    checked.map_err(|until| until.wait_time_from(now))
}

fn make_room<K: Hash + Eq, C: Clock>(
    shard: &mut HashMap<K, Entry<C>>,
    now: C::Instant,
    keys_max: usize,
) {
    shard.retain(|_, entry| now.duration_since(entry.used_at) < WINDOW.into());
    if shard.len() >= keys_max {
        shard.clear();
    }
    shard.shrink_to(keys_max / 4);
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn count(keyed: &Keyed<u32, FakeRelativeClock>) -> usize {
        keyed.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    fn many(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn a_key_has_its_limit_and_leaves_that_of_others_alone() {
        let clock = FakeRelativeClock::default();
        let keyed = Keyed::with_clock(100, clock.clone());
        for left in (0..6).rev() {
            assert_eq!(keyed.check(&1, many(6)), Ok(left));
        }
        assert_eq!(keyed.check(&1, many(6)), Err(Duration::from_secs(10)));
        assert_eq!(keyed.check(&2, many(6)), Ok(5));
        clock.advance(Duration::from_secs(10));
        assert_eq!(keyed.check(&1, many(6)), Ok(0));
        assert_eq!(keyed.check(&1, many(6)), Err(Duration::from_secs(10)));
        // Another limit counts at once.
        assert_eq!(keyed.check(&1, many(7)), Ok(6));
    }

    #[test]
    fn memory_is_bounded_and_who_was_not_there_for_a_minute_goes_first() {
        let clock = FakeRelativeClock::default();
        let keyed = Keyed::with_clock(160, clock.clone());
        for key in 0..10_000 {
            assert_eq!(keyed.check(&key, many(1)), Ok(0));
            assert!(count(&keyed) <= 160);
        }
        let keyed = Keyed::with_clock(1600, clock.clone());
        // By chance a part has more keys than its share: 100 would be full, and these are 75 and 50.
        for key in 0..1_200 {
            keyed.check(&key, many(1)).unwrap();
        }
        clock.advance(Duration::from_secs(59));
        keyed.check(&9_999, many(1)).unwrap();
        clock.advance(Duration::from_secs(1));
        for key in 2_000..2_800 {
            keyed.check(&key, many(1)).unwrap();
        }
        // It was used within the minute, and what made room for others is older.
        assert!(keyed.check(&9_999, many(1)).is_err());
    }
}
