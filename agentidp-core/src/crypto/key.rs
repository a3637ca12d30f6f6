//! Public and private keys, checked when they are made: a [`PublicKey`] that exists may be used.

use std::fmt;
use std::sync::Arc;

use super::{Alg, CryptoError, KeyError, field, rsa_policy, spki};
use crate::base::SecretBytes;

/// A public signature key that passed the import policy.
///
/// ```
/// use agentidp_core::crypto::{Alg, PublicKey};
/// let pem = "-----BEGIN PUBLIC KEY-----\n\
///            MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
///            -----END PUBLIC KEY-----\n";
/// assert_eq!(PublicKey::from_pem(pem).unwrap().alg(), Alg::EdDsa);
/// assert!(PublicKey::ed25519(&[0; 32]).is_err(), "a point of low order");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(Parts);

/// What a public key consists of. Numbers are big-endian.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Parts {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519([u8; 32]),
    Rsa { modulus: Arc<[u8]>, exponent: Arc<[u8]> },
}

impl PublicKey {
    /// The key of the P-256 point with the big-endian coordinates `x` and `y`.
    ///
    /// # Errors
    /// [`KeyError`] unless both are exactly 32 bytes and the point is on the curve.
    pub fn p256(x: &[u8], y: &[u8]) -> Result<PublicKey, KeyError> {
        let (x, y) = (coordinate(x)?, coordinate(y)?);
        field::check_p256(&x, &y)?;
        Ok(PublicKey(Parts::P256 { x, y }))
    }

    /// The Ed25519 key with the encoding `encoded` (RFC 8032 section 5.1.2).
    ///
    /// # Errors
    /// [`KeyError`] unless it is exactly 32 bytes, canonical, on the curve and not of low order.
    pub fn ed25519(encoded: &[u8]) -> Result<PublicKey, KeyError> {
        let encoded = coordinate(encoded)?;
        field::check_ed25519(&encoded)?;
        Ok(PublicKey(Parts::Ed25519(encoded)))
    }

    /// The RSA key with the big-endian numbers `modulus` and `exponent`.
    ///
    /// # Errors
    /// [`KeyError`] unless the modulus has 2048 to 8192 bits and no ROCA fingerprint, and the
    /// exponent is odd and between 3 and 2^32.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, KeyError> {
        rsa_policy::check(modulus, exponent)?;
        Ok(PublicKey(Parts::Rsa { modulus: modulus.into(), exponent: exponent.into() }))
    }

    /// Reads a PEM `PUBLIC KEY` (SubjectPublicKeyInfo, RFC 7468 section 13).
    ///
    /// # Errors
    /// [`KeyError`] when the text is anything else, or when the key is refused.
    pub fn from_pem(text: &str) -> Result<PublicKey, KeyError> {
        spki::from_pem(text)
    }

    /// The algorithm, which the key alone decides.
    pub fn alg(&self) -> Alg {
        match self.0 {
            Parts::P256 { .. } => Alg::Es256,
            Parts::Ed25519(_) => Alg::EdDsa,
            Parts::Rsa { .. } => Alg::Rs256,
        }
    }

    /// The encoding of an Ed25519 key (RFC 8032 section 5.1.2); `None` for other algorithms.
    pub fn ed25519_bytes(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Parts::Ed25519(encoded) => Some(encoded),
            Parts::P256 { .. } | Parts::Rsa { .. } => None,
        }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }
}

fn coordinate(bytes: &[u8]) -> Result<[u8; 32], KeyError> {
    bytes.try_into().map_err(|_| KeyError::Coordinate)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.alg())
    }
}

/// A private signature key: a 32-byte scalar (ES256), a 32-byte seed (EdDSA), PKCS#8 DER (RS256).
#[derive(Debug)]
pub struct PrivateKey {
    alg: Alg,
    bytes: SecretBytes,
}

impl PrivateKey {
    /// Takes over the bytes that [`PrivateKey::expose`] once gave.
    ///
    /// # Errors
    /// [`CryptoError::PrivateKey`] when the length cannot be right. The rest shows when a provider
    /// makes a signer of it.
    pub fn from_bytes(alg: Alg, bytes: SecretBytes) -> Result<PrivateKey, CryptoError> {
        let plausible = match alg {
            Alg::Es256 | Alg::EdDsa => bytes.expose().len() == 32,
            Alg::Rs256 => bytes.expose().len() > 32,
        };
        if plausible { Ok(PrivateKey { alg, bytes }) } else { Err(CryptoError::PrivateKey(alg)) }
    }

    /// The algorithm.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The bytes, to be sealed.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}
