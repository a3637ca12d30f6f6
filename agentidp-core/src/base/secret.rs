//! Secrets: no `Display`, a `Debug` that tells nothing, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes, such as a key.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes `bytes` over as a secret.
    pub fn new(bytes: Vec<u8>) -> SecretBytes {
        SecretBytes(Zeroizing::new(bytes))
    }

    /// The bytes themselves. What is done with them must not outlive its purpose.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(redacted)")
    }
}

/// Secret text, such as a client secret.
///
/// ```
/// use agentidp_core::SecretString;
/// let secret = SecretString::new("aidp_example".to_owned());
/// assert_eq!(format!("{secret:?}"), "SecretString(redacted)");
/// assert_eq!(secret.expose(), "aidp_example");
/// ```
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Takes `text` over as a secret.
    pub fn new(text: String) -> SecretString {
        SecretString(Zeroizing::new(text))
    }

    /// The text itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(redacted)")
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> SecretString {
        SecretString::new(text)
    }
}

impl From<&str> for SecretString {
    fn from(text: &str) -> SecretString {
        SecretString::new(text.to_owned())
    }
}
