//! A value that breaks a rule, told so that its sender can mend it.

use crate::error::ErrorCode;

/// A value that a caller gave breaks a rule.
///
/// ```
/// use agentidp_core::{ErrorCode, Issuer};
/// let invalid = Issuer::parse("http://idp.example.com").unwrap_err();
/// assert_eq!((invalid.field(), invalid.code()), ("issuer", ErrorCode::InvalidInput));
/// assert!(invalid.to_string().contains("https is required"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    field: &'static str,
    reason: String,
    code: ErrorCode,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Invalid {
        Invalid { field, reason: reason.into(), code: ErrorCode::InvalidInput }
    }

    pub(crate) fn coded(mut self, code: ErrorCode) -> Invalid {
        self.code = code;
        self
    }

    /// Which value.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        self.code
    }
}

/// Checks free text: not empty, not longer than `chars_max`, no control characters.
pub(crate) fn check_text(field: &'static str, text: &str, chars_max: usize) -> Result<(), Invalid> {
    // Bytes first, so that a megabyte is refused before it is walked.
    if text.len() > chars_max.saturating_mul(4) || text.chars().count() > chars_max {
        return Err(Invalid::new(field, format!("longer than {chars_max} characters")));
    }
    if text.trim().is_empty() {
        return Err(Invalid::new(field, "empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, "control characters are not allowed"));
    }
    Ok(())
}
