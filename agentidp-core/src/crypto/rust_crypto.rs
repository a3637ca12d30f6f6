//! The provider in pure Rust: no C compiler, and no RSA (RUSTSEC-2023-0071).

use std::sync::Arc;

use ed25519_dalek as ed25519;
use p256::ecdsa;
use p256::ecdsa::signature::{Signer as _, Verifier as _};

use super::key::Parts;
use super::provider::Backend;
use super::{Alg, CryptoError, KeyError, PrivateKey, PublicKey, SignatureVerifier, Signer};
use crate::base::SecretBytes;

pub(super) struct RustCrypto;

impl Backend for RustCrypto {
    fn name(&self) -> &'static str {
        "rustcrypto"
    }

    fn algs(&self) -> &'static [Alg] {
        &[Alg::Es256, Alg::EdDsa]
    }

    fn generate_rsa(&self) -> Result<SecretBytes, CryptoError> {
        Err(CryptoError::UnsupportedAlgorithm(Alg::Rs256))
    }

    fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, CryptoError> {
        match key.alg() {
            Alg::Es256 => {
                let key = ecdsa::SigningKey::from_slice(key.expose())
                    .map_err(|_| CryptoError::PrivateKey(Alg::Es256))?;
                let point = key.verifying_key().to_sec1_point(false);
                let public = match (point.x(), point.y()) {
                    (Some(x), Some(y)) => PublicKey::p256(x, y)?,
                    _ => return Err(CryptoError::PrivateKey(Alg::Es256)),
                };
                Ok(Arc::new(P256Signer(key, public)))
            }
            Alg::EdDsa => {
                let seed = <&[u8; 32]>::try_from(key.expose())
                    .map_err(|_| CryptoError::PrivateKey(Alg::EdDsa))?;
                let key = ed25519::SigningKey::from_bytes(seed);
                let public = PublicKey::ed25519(key.verifying_key().as_bytes())?;
                Ok(Arc::new(Ed25519Signer(key, public)))
            }
            Alg::Rs256 => Err(CryptoError::UnsupportedAlgorithm(Alg::Rs256)),
        }
    }

    fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn SignatureVerifier>, CryptoError> {
        match key.parts() {
            Parts::P256 { x, y } => {
                let point = [&[0x04], x.as_slice(), y].concat();
                let key = ecdsa::VerifyingKey::from_sec1_bytes(&point)
                    .map_err(|_| KeyError::NotOnCurve)?;
                Ok(Arc::new(P256Verifier(key)))
            }
            Parts::Ed25519(encoded) => {
                let key =
                    ed25519::VerifyingKey::from_bytes(encoded).map_err(|_| KeyError::NotOnCurve)?;
                Ok(Arc::new(Ed25519Verifier(key)))
            }
            Parts::Rsa { .. } => Err(CryptoError::UnsupportedAlgorithm(Alg::Rs256)),
        }
    }
}

#[derive(Debug)]
struct P256Signer(ecdsa::SigningKey, PublicKey);

impl Signer for P256Signer {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    /// The nonce is that of RFC 6979: it needs no randomness.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature: ecdsa::Signature =
            self.0.try_sign(message).map_err(|_| CryptoError::Signing(Alg::Es256))?;
        Ok(signature.to_bytes().to_vec())
    }
}

#[derive(Debug)]
struct Ed25519Signer(ed25519::SigningKey, PublicKey);

impl Signer for Ed25519Signer {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature = self.0.try_sign(message).map_err(|_| CryptoError::Signing(Alg::EdDsa))?;
        Ok(signature.to_bytes().to_vec())
    }
}

#[derive(Debug)]
struct P256Verifier(ecdsa::VerifyingKey);

impl SignatureVerifier for P256Verifier {
    fn alg(&self) -> Alg {
        Alg::Es256
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature =
            ecdsa::Signature::from_slice(signature).map_err(|_| CryptoError::Signature)?;
        self.0.verify(message, &signature).map_err(|_| CryptoError::Signature)
    }
}

#[derive(Debug)]
struct Ed25519Verifier(ed25519::VerifyingKey);

impl SignatureVerifier for Ed25519Verifier {
    fn alg(&self) -> Alg {
        Alg::EdDsa
    }

    /// `verify` and not `verify_strict`: it accepts exactly what aws-lc accepts, and the points of
    /// low order that `verify_strict` adds a check for never become a [`PublicKey`].
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature =
            ed25519::Signature::from_slice(signature).map_err(|_| CryptoError::Signature)?;
        self.0.verify(message, &signature).map_err(|_| CryptoError::Signature)
    }
}
