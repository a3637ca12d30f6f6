//! The key by which a caller names a request that is to be done once.

use crate::base::limits;

use super::Invalid;

/// A key of a caller's choice, such as a UUID: the same key means the same request. It tells requests
/// apart and is no secret, but is kept as its digest all the same.
///
/// ```
/// use agentidp_core::IdempotencyKey;
/// assert!(IdempotencyKey::parse("8e03978e-40d5-43dd-bc93-6894a57f9324").is_ok());
/// assert!(IdempotencyKey::parse("").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key: 1 to 255 characters of printable ASCII.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<IdempotencyKey, Invalid> {
        let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            return Ok(IdempotencyKey(text.to_owned()));
        }
        let reason = "1 to 255 characters of printable ASCII are expected";
        Err(Invalid::new("Idempotency-Key", reason))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_printable_and_bounded() {
        for good in ["a", "a b:\"c\"", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "\n", "\u{e9}", "\0", "\u{7f}", &"k".repeat(256)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
    }
}
