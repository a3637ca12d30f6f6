//! Which RSA public keys are let in.

use super::KeyError;

/// The primes of the ROCA fingerprint test (Nemec et al., CCS 2017).
const ROCA_PRIMES: [u16; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Checks a modulus and an exponent, both big-endian without leading zeros (RFC 7518 section 6.3.1).
pub(super) fn check(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
        return Err(KeyError::RsaModulus);
    };
    let bits = (modulus.len() * 8).saturating_sub(first.leading_zeros() as usize);
    if *first == 0 || last % 2 == 0 || !BITS.contains(&bits) {
        return Err(KeyError::RsaModulus);
    }
    check_exponent(exponent)?;
    if has_roca_fingerprint(modulus) { Err(KeyError::Roca) } else { Ok(()) }
}

fn check_exponent(exponent: &[u8]) -> Result<(), KeyError> {
    // An odd number up to 2^32 has at most four bytes.
    if exponent.len() > 4 || exponent.first().is_none_or(|first| *first == 0) {
        return Err(KeyError::RsaExponent);
    }
    let value = exponent.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
    if value >= 3 && value % 2 == 1 { Ok(()) } else { Err(KeyError::RsaExponent) }
}

/// Primes made by the weak library are 65537^a mod M, hence so is their product, for the product M
/// of the first primes. By chance it happens to about one sound modulus in 2^27.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let prime = u32::from(*prime);
        let residue =
            modulus.iter().fold(0u32, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let generator = 65537 % prime;
        let powers = std::iter::successors(Some(1u32), |power| Some(power * generator % prime));
        powers.take(prime as usize).any(|power| power == residue)
    })
}
