//! OAuth scopes (RFC 6749 section 3.3): tokens of printable ASCII, in a set that keeps its order.

use std::fmt;

use crate::base::limits;
use crate::error::ErrorCode;

use super::Invalid;

/// One scope, such as `tools:read`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeToken(String);

impl ScopeToken {
    /// Reads a scope.
    ///
    /// # Errors
    /// [`Invalid`] when it has characters that RFC 6749 section 3.3 does not allow, or too many.
    pub fn parse(text: &str) -> Result<ScopeToken, Invalid> {
        let printable = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || text.len() > limits::SCOPE_CHARS_MAX || !text.bytes().all(printable) {
            return Err(invalid(
                "1 to 128 printable ASCII characters are expected, without `\"` and `\\`",
            ));
        }
        Ok(ScopeToken(text.to_owned()))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Scopes without duplicates, in the order given.
///
/// ```
/// use agentidp_core::model::ScopeSet;
/// let scopes = ScopeSet::parse("tools:write tools:read tools:write")?;
/// assert!(scopes.contains("tools:read"));
/// assert_eq!(scopes.to_string(), "tools:write tools:read");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSet(Vec<ScopeToken>);

impl ScopeSet {
    /// Reads scopes separated by single spaces, the form of RFC 6749 section 3.3.
    ///
    /// # Errors
    /// [`Invalid`] when one is malformed or there are too many.
    pub fn parse(text: &str) -> Result<ScopeSet, Invalid> {
        if text.len() > limits::SCOPE_SET_CHARS_MAX {
            return Err(too_many());
        }
        if text.is_empty() { Ok(ScopeSet::default()) } else { Self::of(text.split(' ')) }
    }

    /// The set of `scopes`.
    ///
    /// # Errors
    /// [`Invalid`] when one is malformed or there are too many.
    pub fn of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<ScopeSet, Invalid> {
        let (mut set, mut chars) = (ScopeSet::default(), 0);
        for text in scopes {
            let scope = ScopeToken::parse(text)?;
            if set.0.contains(&scope) {
                continue;
            }
            // With the space before it, where there is one.
            chars += scope.0.len() + usize::from(!set.is_empty());
            set.0.push(scope);
            if set.0.len() > limits::SCOPES_MAX || chars > limits::SCOPE_SET_CHARS_MAX {
                return Err(too_many());
            }
        }
        Ok(set)
    }

    /// Gives back memory that only more scopes would need.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Whether `scope` is one of them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own.as_str() == scope)
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ScopeToken::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that `keep` keeps.
    #[must_use]
    pub(crate) fn filtered(&self, keep: impl Fn(&str) -> bool) -> ScopeSet {
        ScopeSet(self.0.iter().filter(|scope| keep(scope.as_str())).cloned().collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

fn too_many() -> Invalid {
    invalid("more than 64 scopes, or than 4096 characters of them, are too many")
}

fn invalid(reason: &str) -> Invalid {
    Invalid::new("scope", reason).coded(ErrorCode::InvalidScope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_keep_their_order_and_lose_duplicates() {
        let set = ScopeSet::parse("b a b c:d").unwrap();
        assert_eq!(set.to_string(), "b a c:d");
        assert!(ScopeSet::parse("").unwrap().is_empty());
    }

    #[test]
    fn scopes_have_a_number_and_a_length_together() {
        let parsed = |text: &str| ScopeSet::parse(text).map(|set| set.to_string().len());
        let scopes = |number: usize, length: usize| {
            let scope = |n: usize| format!("{n:0length$}");
            (0..number).map(scope).collect::<Vec<_>>()
        };
        assert_eq!(parsed(&scopes(64, 63).join(" ")), Ok(64 * 64 - 1));
        assert!(parsed(&scopes(65, 10).join(" ")).is_err());
        let full = scopes(32, 127).join(" ");
        assert_eq!(parsed(&full), Ok(limits::SCOPE_SET_CHARS_MAX - 1));
        assert!(parsed(&format!("{full} x")).is_err());
        let listed = scopes(33, 127);
        assert!(ScopeSet::of(listed[..32].iter().map(String::as_str)).is_ok());
        assert!(ScopeSet::of(listed.iter().map(String::as_str)).is_err());
    }

    #[test]
    fn malformed_scopes_are_refused() {
        let long = "x".repeat(129);
        let many = (0..65).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        for bad in [
            " ",
            "a  b",
            " a",
            "a ",
            "a\tb",
            "a\"b",
            "a\\b",
            "\u{e9}",
            &long,
            &many,
            &"a ".repeat(1 << 19),
        ] {
            assert_eq!(ScopeSet::parse(bad).unwrap_err().code(), ErrorCode::InvalidScope);
        }
    }
}
