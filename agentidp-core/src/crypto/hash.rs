//! Hashes, message authentication and key derivation: one implementation for all providers.

use hkdf::{Hkdf, HmacImpl};
use hmac::Hmac;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// SHA-256 (FIPS 180-4) of `parts`, one after the other.
///
/// ```
/// use agentidp_core::crypto::sha256;
/// assert_eq!(sha256(&[b"a", b"bc"]), sha256(&[b"abc"]));
/// ```
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// SHA-512 (FIPS 180-4) of `parts`, one after the other.
pub fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// HMAC-SHA-256 (RFC 2104) under `key` of `parts`, one after the other.
///
/// The parts are not separated: a caller with fields of variable length must prefix their lengths.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as HmacImpl>::new_from_slice(key);
    parts.iter().for_each(|part| HmacImpl::update(&mut mac, part));
    HmacImpl::finalize(mac).into()
}

/// `N` bytes of HKDF-SHA-256 (RFC 5869). `N` is at most 8160.
pub fn hkdf_sha256<const N: usize>(input: &[u8], salt: &[u8], info: &[u8]) -> [u8; N] {
    const { assert!(N <= 255 * 32, "RFC 5869 section 2.3 gives no more") };
    let mut output = [0; N];
    // It fails for an N above the limit only, which the line above refuses to compile.
    let expanded = Hkdf::<Sha256>::new(Some(salt), input).expand(info, &mut output);
    debug_assert!(expanded.is_ok());
    output
}

/// Whether `a` and `b` are equal, in a time that depends on their lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn fips_180_4_and_rfc_4231_vectors() {
        let abc = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256(&[b"a", b"bc"]).to_vec(), abc);
        assert_eq!(sha512(&[b"abc"])[..8], hex("ddaf35a193617aba")[..]);
        let tag = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        let expected = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(tag.to_vec(), expected);
    }

    /// RFC 5869 appendix A.1.
    #[test]
    fn rfc_5869_vector() {
        let output: [u8; 42] = hkdf_sha256(
            &[0x0b; 22],
            &hex("000102030405060708090a0b0c"),
            &hex("f0f1f2f3f4f5f6f7f8f9"),
        );
        let expected = hex(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        );
        assert_eq!(output.to_vec(), expected);
    }

    #[test]
    fn comparison_knows_length_and_content() {
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sane"));
        assert!(!constant_time_eq(b"same", b"same "));
    }
}
