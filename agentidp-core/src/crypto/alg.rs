//! The signature algorithms that exist here. `none` and the symmetric ones cannot be said.

use std::fmt;

/// A signature algorithm.
///
/// ```
/// use agentidp_core::crypto::Alg;
/// assert_eq!(Alg::Es256.as_str(), "ES256");
/// assert!(Alg::EdDsa.is_named("Ed25519"));
/// assert_eq!(Alg::parse("none"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// Ed25519 (RFC 8037 section 3.1). Ed448 is not offered.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
}

impl Alg {
    /// Every algorithm.
    pub const ALL: &'static [Alg] = &[Alg::Es256, Alg::EdDsa, Alg::Rs256];

    /// The JOSE name that we write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Alg::Es256 => "ES256",
            Alg::EdDsa => "EdDSA",
            Alg::Rs256 => "RS256",
        }
    }

    /// The algorithm of a JOSE name. Names are case-sensitive (RFC 7515 section 4.1.1).
    pub fn parse(name: &str) -> Option<Alg> {
        Alg::ALL.iter().copied().find(|alg| alg.is_named(name))
    }

    /// Whether a header may call this algorithm `name`: RFC 9864 renames `EdDSA` to `Ed25519`.
    pub fn is_named(self, name: &str) -> bool {
        name == self.as_str() || (self == Alg::EdDsa && name == "Ed25519")
    }
}

impl serde::Serialize for Alg {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
