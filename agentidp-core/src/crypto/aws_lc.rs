//! The provider on aws-lc.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use zeroize::Zeroizing;

use super::key::Parts;
use super::provider::Backend;
use super::{Alg, CryptoError, KeyError, PrivateKey, PublicKey, SignatureVerifier, Signer, spki};
use crate::base::SecretBytes;

pub(super) struct AwsLc;

impl Backend for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn algs(&self) -> &'static [Alg] {
        Alg::ALL
    }

    fn generate_rsa(&self) -> Result<SecretBytes, CryptoError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| bad_key(Alg::Rs256))?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| bad_key(Alg::Rs256))?;
        Ok(SecretBytes::new(der.as_ref().to_vec()))
    }

    fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, CryptoError> {
        let alg = key.alg();
        let pair = match alg {
            Alg::Es256 => Pair::P256(p256(key.expose()).ok_or(bad_key(alg))?),
            Alg::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(key.expose());
                Pair::Ed25519(pair.map_err(|_| bad_key(alg))?)
            }
            Alg::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(key.expose());
                Pair::Rsa(pair.map_err(|_| bad_key(alg))?)
            }
        };
        let public_key = pair.public_key().ok_or(bad_key(alg))??;
        Ok(Arc::new(AwsLcSigner { pair, public_key }))
    }

    fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn SignatureVerifier>, CryptoError> {
        let parsed = match key.parts() {
            Parts::P256 { x, y } => {
                let point = [&[0x04], x.as_slice(), y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Parts::Ed25519(encoded) => ParsedPublicKey::new(&ED25519, encoded),
            Parts::Rsa { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus.as_ref(), e: exponent.as_ref() }
                    .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        };
        let key_error = match key.alg() {
            Alg::Rs256 => KeyError::RsaModulus,
            Alg::Es256 | Alg::EdDsa => KeyError::NotOnCurve,
        };
        let parsed = parsed.map_err(|_| key_error)?;
        Ok(Arc::new(AwsLcVerifier { alg: key.alg(), parsed }))
    }
}

fn bad_key(alg: Alg) -> CryptoError {
    CryptoError::PrivateKey(alg)
}

/// The key pair of `scalar`. aws-lc takes a bare scalar only together with its public key; inside an
/// ECPrivateKey (RFC 5915 section 3) the public key may be left out, and aws-lc computes it.
fn p256(scalar: &[u8]) -> Option<EcdsaKeyPair> {
    const HEAD: &[u8] = b"\x30\x31\x02\x01\x01\x04\x20";
    const CURVE: &[u8] = b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    if scalar.len() != 32 {
        return None;
    }
    let der = Zeroizing::new([HEAD, scalar, CURVE].concat());
    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()
}

#[derive(Debug)]
enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    fn public_key(&self) -> Option<Result<PublicKey, KeyError>> {
        match self {
            Pair::P256(pair) => {
                let (x, y) =
                    pair.public_key().as_ref().strip_prefix(&[0x04])?.split_at_checked(32)?;
                Some(PublicKey::p256(x, y))
            }
            Pair::Ed25519(pair) => Some(PublicKey::ed25519(pair.public_key().as_ref())),
            Pair::Rsa(pair) => spki::rsa_pkcs1(pair.public_key().as_ref()),
        }
    }
}

#[derive(Debug)]
struct AwsLcSigner {
    pair: Pair,
    public_key: PublicKey,
}

impl Signer for AwsLcSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        // aws-lc draws ECDSA's nonce and RSA's blinding itself, whatever generator it is handed.
        let rng = SystemRandom::new();
        let signature = match &self.pair {
            Pair::P256(pair) => pair.sign(&rng, message).map(|it| it.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.try_sign(message).map(|it| it.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature).map(|()| signature)
            }
        };
        signature.map_err(|_| CryptoError::Signing(self.alg()))
    }
}

#[derive(Debug)]
struct AwsLcVerifier {
    alg: Alg,
    parsed: ParsedPublicKey,
}

impl SignatureVerifier for AwsLcVerifier {
    fn alg(&self) -> Alg {
        self.alg
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.parsed.verify_sig(message, signature).map_err(|_| CryptoError::Signature)
    }
}
