//! A public key as somebody handed it in.

use std::fmt;
use std::sync::Arc;

use crate::base::SecretString;

/// The text of a key, before anybody has read it. It might be a private one that was handed in by
/// mistake: it is never printed, and wiped when it is let go.
#[derive(Clone)]
pub(crate) struct KeyText(Arc<SecretString>);

impl KeyText {
    pub(super) fn new(text: &str) -> KeyText {
        KeyText(Arc::new(SecretString::from(text)))
    }

    /// The text, to be read.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(redacted)")
    }
}
