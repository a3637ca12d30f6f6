//! What can go wrong with keys and signatures.

use super::Alg;
use crate::base::EntropyError;
use crate::error::ErrorCode;

/// A signature could not be made or does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The provider does not offer the algorithm.
    #[error("unsupported algorithm: this provider does not offer `{0}`")]
    UnsupportedAlgorithm(Alg),
    /// The bytes are not a private key of the algorithm.
    #[error("not a private key for `{0}`")]
    PrivateKey(Alg),
    /// The public key is not acceptable.
    #[error("{0}")]
    PublicKey(#[from] KeyError),
    /// The signature is not one of this key over this message.
    #[error("the signature does not verify")]
    Signature,
    /// The provider failed to sign.
    #[error("signing with `{0}` failed")]
    Signing(Alg),
    /// The provider does not verify what it signed.
    #[error("the self-test of `{0}` failed")]
    SelfTest(Alg),
    /// No randomness.
    #[error("{0}")]
    Entropy(#[from] EntropyError),
}

impl CryptoError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            CryptoError::UnsupportedAlgorithm(_)
            | CryptoError::PrivateKey(_)
            | CryptoError::PublicKey(_) => ErrorCode::InvalidKey,
            CryptoError::Signature => ErrorCode::InvalidToken,
            CryptoError::Signing(_) | CryptoError::SelfTest(_) => ErrorCode::Internal,
            CryptoError::Entropy(_) => ErrorCode::EntropyFailed,
        }
    }
}

/// Why a public key is refused at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A coordinate is not exactly 32 bytes, or not less than the field's prime.
    #[error("a coordinate must be exactly 32 bytes and less than the field's prime")]
    Coordinate,
    /// The coordinates are no point of the curve.
    #[error("the point is not on the curve")]
    NotOnCurve,
    /// A point of low order: one signature would verify for every message.
    #[error("the point has a low order")]
    LowOrder,
    /// The RSA modulus is even, padded, or outside 2048 to 8192 bits.
    #[error("the RSA modulus must be odd, without leading zeros, and 2048 to 8192 bits long")]
    RsaModulus,
    /// The RSA exponent is even, padded, or outside 3 to 2^32.
    #[error("the RSA exponent must be odd, without leading zeros, and from 3 to 2^32")]
    RsaExponent,
    /// The modulus bears the fingerprint of CVE-2017-15361: it can be factored.
    #[error("the RSA modulus has the ROCA weakness (CVE-2017-15361)")]
    Roca,
    /// The text is not PEM, or its content not a SubjectPublicKeyInfo that we read.
    #[error("not a PEM public key: {0}")]
    Pem(&'static str),
}

impl KeyError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidKey
    }
}
