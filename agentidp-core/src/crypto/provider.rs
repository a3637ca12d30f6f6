//! Who signs and verifies: a value handed to whoever needs it.

use std::fmt;
use std::sync::Arc;

use super::{Alg, CryptoError, PrivateKey, PublicKey};
use crate::base::{Rng, SecretBytes};

/// Signs with one key, which was parsed once.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The algorithm of the key.
    fn alg(&self) -> Alg {
        self.public_key().alg()
    }

    /// The public half of the key.
    fn public_key(&self) -> &PublicKey;

    /// The signature of `message` in the form JOSE wants: for ES256, r and s of 32 bytes each.
    ///
    /// # Errors
    /// [`CryptoError::Signing`] when the provider fails.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// Verifies with one key, which was parsed once.
pub trait SignatureVerifier: Send + Sync + fmt::Debug {
    /// The algorithm of the key.
    fn alg(&self) -> Alg;

    /// Checks that `signature` is this key's over `message`.
    ///
    /// # Errors
    /// [`CryptoError::Signature`] when it is not.
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError>;
}

/// What a provider must do; private, so that the list of providers stays ours.
pub(super) trait Backend: Send + Sync {
    fn name(&self) -> &'static str;
    fn algs(&self) -> &'static [Alg];
    fn generate_rsa(&self) -> Result<SecretBytes, CryptoError>;
    fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, CryptoError>;
    fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn SignatureVerifier>, CryptoError>;
}

/// A source of signers and verifiers.
///
/// ```
/// # #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))] {
/// use agentidp_core::crypto::{Alg, CryptoProvider};
/// use agentidp_core::SystemRng;
///
/// let provider = CryptoProvider::default_provider();
/// let key = provider.generate(Alg::EdDsa, &SystemRng)?;
/// let signer = provider.signer(&key)?;
/// let signature = signer.sign(b"message")?;
/// provider.verifier(signer.public_key())?.verify(b"message", &signature)?;
/// # }
/// # Ok::<(), agentidp_core::crypto::CryptoError>(())
/// ```
#[derive(Clone, Copy)]
pub struct CryptoProvider(&'static dyn Backend);

impl CryptoProvider {
    /// aws-lc: ES256, EdDSA and RS256.
    #[cfg(feature = "aws-lc")]
    pub fn aws_lc() -> CryptoProvider {
        CryptoProvider(&super::aws_lc::AwsLc)
    }

    /// Pure Rust: ES256 and EdDSA. No RS256, since the `rsa` crate leaks its key through timing
    /// (RUSTSEC-2023-0071).
    #[cfg(feature = "rustcrypto")]
    pub fn rust_crypto() -> CryptoProvider {
        CryptoProvider(&super::rust_crypto::RustCrypto)
    }

    /// aws-lc if it is compiled in, else pure Rust.
    #[cfg(feature = "aws-lc")]
    pub fn default_provider() -> CryptoProvider {
        CryptoProvider::aws_lc()
    }

    /// aws-lc if it is compiled in, else pure Rust.
    #[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
    pub fn default_provider() -> CryptoProvider {
        CryptoProvider::rust_crypto()
    }

    /// The algorithms it offers.
    pub fn algs(&self) -> &'static [Alg] {
        self.0.algs()
    }

    /// A new private key. `rng` gives the bytes of ES256 and EdDSA keys; RSA primes (2048 bits) are
    /// found by aws-lc with its own generator.
    ///
    /// # Errors
    /// [`CryptoError`] when the algorithm is not offered, or when there is no randomness.
    pub fn generate(&self, alg: Alg, rng: &dyn Rng) -> Result<PrivateKey, CryptoError> {
        self.offers(alg)?;
        let bytes = match alg {
            Alg::Rs256 => self.0.generate_rsa()?,
            Alg::EdDsa => draw(rng)?,
            Alg::Es256 => draw_p256_scalar(rng)?,
        };
        PrivateKey::from_bytes(alg, bytes)
    }

    /// Parses `key` once, to sign many times.
    ///
    /// # Errors
    /// [`CryptoError`] when the algorithm is not offered or the bytes are not a key of it.
    pub fn signer(&self, key: &PrivateKey) -> Result<Arc<dyn Signer>, CryptoError> {
        self.offers(key.alg())?;
        self.0.signer(key)
    }

    /// Parses `key` once, to verify many times.
    ///
    /// # Errors
    /// [`CryptoError`] when the algorithm is not offered or the provider refuses the key.
    pub fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn SignatureVerifier>, CryptoError> {
        self.offers(key.alg())?;
        self.0.verifier(key)
    }

    /// Signs and verifies with every algorithm it offers, and expects a damaged signature to fail.
    ///
    /// The keys are drawn anew. RSA is tested last and takes a tenth of a second or more.
    ///
    /// # Errors
    /// [`CryptoError`] of the first that fails.
    pub fn self_test(&self, rng: &dyn Rng) -> Result<(), CryptoError> {
        self.algs().iter().try_for_each(|alg| self.self_test_of(*alg, rng))
    }

    /// As [`CryptoProvider::self_test`], for one algorithm: what an instance signs with.
    ///
    /// # Errors
    /// [`CryptoError`] when the algorithm is not offered or does not do what it must.
    pub fn self_test_of(&self, alg: Alg, rng: &dyn Rng) -> Result<(), CryptoError> {
        const MESSAGE: &[u8] = b"agentidp self-test";
        let signer = self.signer(&self.generate(alg, rng)?)?;
        let verifier = self.verifier(signer.public_key())?;
        let mut signature = signer.sign(MESSAGE)?;
        verifier.verify(MESSAGE, &signature).map_err(|_| CryptoError::SelfTest(alg))?;
        if let Some(byte) = signature.get_mut(20) {
            *byte ^= 1;
        }
        match verifier.verify(MESSAGE, &signature) {
            Err(CryptoError::Signature) => Ok(()),
            _ => Err(CryptoError::SelfTest(alg)),
        }
    }

    fn offers(&self, alg: Alg) -> Result<(), CryptoError> {
        if self.algs().contains(&alg) {
            Ok(())
        } else {
            Err(CryptoError::UnsupportedAlgorithm(alg))
        }
    }
}

impl fmt::Debug for CryptoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CryptoProvider({})", self.0.name())
    }
}

fn draw(rng: &dyn Rng) -> Result<SecretBytes, CryptoError> {
    let mut bytes = vec![0; 32];
    rng.fill(&mut bytes)?;
    Ok(SecretBytes::new(bytes))
}

/// A uniform scalar from 1 to n-1 by rejection (FIPS 186-5 appendix A.2.2): a draw fails once in 2^32.
fn draw_p256_scalar(rng: &dyn Rng) -> Result<SecretBytes, CryptoError> {
    for _ in 0..DRAWS_MAX {
        let scalar = draw(rng)?;
        if is_p256_scalar(scalar.expose()) {
            return Ok(scalar);
        }
    }
    Err(CryptoError::Entropy(crate::base::EntropyError))
}

/// The comparison is not in constant time; it tells only that a draw was thrown away.
fn is_p256_scalar(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0) && bytes < P256_ORDER.as_slice()
}

/// A generator that fails this often is broken.
const DRAWS_MAX: usize = 8;

/// The order n of P-256 (NIST SP 800-186 section 3.2.1.3), big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[cfg(all(test, any(feature = "aws-lc", feature = "rustcrypto")))]
mod tests {
    use super::*;
    use crate::base::{EntropyError, SystemRng};

    /// A generator that repeats one byte.
    #[derive(Debug)]
    struct Stuck(u8);

    impl Rng for Stuck {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    fn providers() -> Vec<CryptoProvider> {
        vec![
            #[cfg(feature = "aws-lc")]
            CryptoProvider::aws_lc(),
            #[cfg(feature = "rustcrypto")]
            CryptoProvider::rust_crypto(),
        ]
    }

    #[test]
    fn every_provider_passes_its_self_test() {
        for provider in providers() {
            assert_eq!(provider.self_test(&SystemRng), Ok(()), "{provider:?}");
        }
    }

    #[test]
    fn keys_come_from_the_generator_and_a_stuck_one_is_noticed() {
        for provider in providers() {
            let key = provider.generate(Alg::EdDsa, &Stuck(7)).unwrap();
            assert_eq!(key.expose(), [7; 32]);
            for byte in [0, 0xff] {
                let error = provider.generate(Alg::Es256, &Stuck(byte)).unwrap_err();
                assert_eq!(error, CryptoError::Entropy(EntropyError));
            }
        }
    }

    #[test]
    fn a_private_key_tells_nothing_of_itself() {
        let key = providers()[0].generate(Alg::EdDsa, &Stuck(7)).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey { alg: EdDsa, bytes: SecretBytes(redacted) }");
        assert!(PrivateKey::from_bytes(Alg::EdDsa, SecretBytes::new(vec![7; 33])).is_err());
    }

    #[test]
    #[cfg(feature = "rustcrypto")]
    fn pure_rust_offers_no_rsa() {
        let error = CryptoProvider::rust_crypto().generate(Alg::Rs256, &SystemRng).unwrap_err();
        assert_eq!(error, CryptoError::UnsupportedAlgorithm(Alg::Rs256));
        assert!(error.to_string().contains("unsupported algorithm"));
    }

    /// The same seed gives the same public key, and each verifies what the other signed.
    #[test]
    #[cfg(all(feature = "aws-lc", feature = "rustcrypto"))]
    fn the_providers_agree() {
        let (one, other) = (CryptoProvider::aws_lc(), CryptoProvider::rust_crypto());
        for alg in [Alg::Es256, Alg::EdDsa] {
            let key = one.generate(alg, &SystemRng).unwrap();
            let (first, second) = (one.signer(&key).unwrap(), other.signer(&key).unwrap());
            assert_eq!(first.public_key(), second.public_key());
            let by_first = first.sign(b"message").unwrap();
            let by_second = second.sign(b"message").unwrap();
            assert_eq!(by_first.len(), 64);
            let verifier = one.verifier(second.public_key()).unwrap();
            assert_eq!(verifier.verify(b"message", &by_second), Ok(()));
            let verifier = other.verifier(first.public_key()).unwrap();
            assert_eq!(verifier.verify(b"message", &by_first), Ok(()));
            assert_eq!(verifier.verify(b"massage", &by_first), Err(CryptoError::Signature));
        }
    }
}
