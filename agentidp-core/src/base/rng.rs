//! Randomness as a parameter: whoever draws is handed a [`Rng`].

use std::fmt;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::sync::atomic::{AtomicUsize, Ordering};

/// The source of randomness failed. Nothing was made from what it gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct EntropyError;

/// A source of unpredictable bytes.
pub trait Rng: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails; `bytes` must then not be used.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The system's generator (`getrandom`): ready from the first byte, where aws-lc's own takes a
/// process 26 to 53 milliseconds to warm up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws from the system")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}

/// Random bytes that were drawn at once, for several who take a few each: asking the system costs more than
/// what is made of its answer.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[derive(Debug)]
pub(crate) struct Drawn<const N: usize> {
    bytes: [u8; N],
    taken: AtomicUsize,
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl<const N: usize> Drawn<N> {
    /// Draws them.
    pub(crate) fn of(rng: &dyn Rng) -> Result<Drawn<N>, EntropyError> {
        let mut bytes = [0; N];
        rng.fill(&mut bytes)?;
        Ok(Drawn { bytes, taken: AtomicUsize::new(0) })
    }
}

/// Each byte is taken once; who wants more than there are has none.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl<const N: usize> Rng for Drawn<N> {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let begin = self.taken.fetch_add(bytes.len(), Ordering::Relaxed);
        let left = self.bytes.get(begin..).ok_or(EntropyError)?;
        bytes.copy_from_slice(left.get(..bytes.len()).ok_or(EntropyError)?);
        Ok(())
    }
}

#[cfg(all(test, any(feature = "sqlite", feature = "postgres")))]
mod tests {
    use super::*;

    /// Counts from one.
    #[derive(Debug)]
    struct Counting;

    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
            Ok(())
        }
    }

    #[test]
    fn what_was_drawn_is_taken_once_and_then_there_is_none() {
        let drawn = Drawn::<5>::of(&Counting).unwrap();
        let take = |count| {
            let mut bytes = vec![0; count];
            drawn.fill(&mut bytes).map(|()| bytes)
        };
        assert_eq!(take(2), Ok(vec![1, 2]));
        assert_eq!(take(3), Ok(vec![3, 4, 5]));
        assert_eq!(take(1), Err(EntropyError));
        assert_eq!(take(1), Err(EntropyError));
        let short = Drawn::<1>::of(&Counting).unwrap();
        assert_eq!(short.fill(&mut [0; 2]), Err(EntropyError));
    }
}
