//! Randomness that a seed replays, and randomness that fails.

use std::sync::{Mutex, PoisonError};

use agentidp_core::Rng;
use agentidp_core::base::EntropyError;

/// The same bytes for the same seed. For tests alone: anybody can predict them.
#[derive(Debug)]
pub struct TestRng(Mutex<u64>);

impl TestRng {
    /// A generator that `seed` replays.
    pub fn seeded(seed: u64) -> TestRng {
        TestRng(Mutex::new(seed))
    }

    /// The next number.
    pub fn next_u64(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SplitMix64 (Steele, Lea, Flood 2014).
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Rng for TestRng {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_u64().to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(byte, random)| *byte = random);
        }
        Ok(())
    }
}

/// A source that always fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailingRng;

impl Rng for FailingRng {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_another_does_not() {
        let fill = |seed| {
            let mut bytes = [0; 21];
            TestRng::seeded(seed).fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(fill(7), fill(7));
        assert_ne!(fill(7), fill(8));
        assert_eq!(TestRng::seeded(0).next_u64(), 0xe220_a839_7b1d_cdaf);
        assert!(FailingRng.fill(&mut [0]).is_err());
    }
}
