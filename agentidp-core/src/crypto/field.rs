//! Whether coordinates are a point of P-256 or Ed25519, in plain modular arithmetic.
//!
//! The rule must not depend on which provider is compiled in: aws-lc, for one, takes any 32 bytes as
//! an Ed25519 key. Only public keys come here, once each, so neither constant time nor speed matters.

use super::KeyError;

/// 256 bits, least significant limb first.
type Limbs = [u64; 4];

const ZERO: Limbs = [0; 4];
const ONE: Limbs = [1, 0, 0, 0];

/// The integers modulo a prime.
struct Field {
    prime: Limbs,
    multiply: fn(Limbs, Limbs) -> Limbs,
}

/// 2^256 - 2^224 + 2^192 + 2^96 - 1 (NIST SP 800-186 section 3.2.1.3).
const P256: Field = Field {
    prime: [u64::MAX, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001],
    multiply: multiply_p256,
};
/// The `b` of P-256; its `a` is -3.
const P256_B: Limbs =
    [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];
/// 2^255 - 19 (RFC 8032 section 5.1).
const ED25519: Field = Field {
    prime: [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
    multiply: multiply_ed25519,
};
/// The `d` of Ed25519.
const ED25519_D: Limbs =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
/// The `y` of the eight points whose order divides 8.
const ED25519_LOW_ORDER: [Limbs; 5] = [
    ZERO,
    ONE,
    [0xffff_ffff_ffff_ffec, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
];

/// Checks that (`x`, `y`), big-endian, is a point of P-256 (SEC 1 section 3.2.2.1; the cofactor is 1).
pub(super) fn check_p256(x: &[u8; 32], y: &[u8; 32]) -> Result<(), KeyError> {
    let (x, y) = (from_big_endian(x), from_big_endian(y));
    if !P256.holds(x) || !P256.holds(y) {
        return Err(KeyError::Coordinate);
    }
    let three_x = P256.add(P256.add(x, x), x);
    let cube = P256.mul(P256.mul(x, x), x);
    let right = P256.add(P256.sub(cube, three_x), P256_B);
    if P256.mul(y, y) == right { Ok(()) } else { Err(KeyError::NotOnCurve) }
}

/// Checks that `encoded` (RFC 8032 section 5.1.2) is a canonical point of more than low order.
pub(super) fn check_ed25519(encoded: &[u8; 32]) -> Result<(), KeyError> {
    let mut bytes = *encoded;
    bytes.reverse();
    if let Some(top) = bytes.first_mut() {
        *top &= 0x7f; // the sign of x
    }
    let y = from_big_endian(&bytes);
    if !ED25519.holds(y) {
        return Err(KeyError::Coordinate);
    }
    if ED25519_LOW_ORDER.contains(&y) {
        return Err(KeyError::LowOrder);
    }
    // x^2 = (y^2 - 1) / (d y^2 + 1) has a root if and only if the product is a square.
    let square = ED25519.mul(y, y);
    let numerator = ED25519.sub(square, ONE);
    let denominator = ED25519.add(ED25519.mul(ED25519_D, square), ONE);
    if ED25519.is_square(ED25519.mul(numerator, denominator)) {
        Ok(())
    } else {
        Err(KeyError::NotOnCurve)
    }
}

impl Field {
    fn holds(&self, a: Limbs) -> bool {
        less(&a, &self.prime)
    }

    fn add(&self, a: Limbs, b: Limbs) -> Limbs {
        let (sum, carry) = add(a, b);
        if carry || !less(&sum, &self.prime) { subtract(sum, self.prime).0 } else { sum }
    }

    fn sub(&self, a: Limbs, b: Limbs) -> Limbs {
        let (difference, borrow) = subtract(a, b);
        if borrow { add(difference, self.prime).0 } else { difference }
    }

    fn mul(&self, a: Limbs, b: Limbs) -> Limbs {
        (self.multiply)(a, b)
    }

    /// Euler's criterion: a^((p-1)/2) is 1.
    fn is_square(&self, a: Limbs) -> bool {
        // The bits of (p-1)/2 are those of p without the last, which is 1.
        let half = bits(self.prime).take(255);
        let power = half.fold(ONE, |power, bit| {
            let squared = self.mul(power, power);
            if bit { self.mul(squared, a) } else { squared }
        });
        power == ONE
    }
}

/// By doubling and adding: a point of P-256 takes three products only.
fn multiply_p256(a: Limbs, b: Limbs) -> Limbs {
    bits(b).fold(ZERO, |product, bit| {
        let doubled = P256.add(product, product);
        if bit { P256.add(doubled, a) } else { doubled }
    })
}

/// By limbs, since Euler's criterion takes five hundred products: 2^256 is 38 modulo the prime.
fn multiply_ed25519(a: Limbs, b: Limbs) -> Limbs {
    b.into_iter().rev().fold(ZERO, |product, limb| {
        let (shifted, above) = shift(product);
        let (scaled, over) = scale(a, limb);
        let shifted = fold(shifted, u128::from(above) * 38);
        ED25519.add(shifted, fold(scaled, u128::from(over) * 38))
    })
}

/// One limb up, and the limb that falls out.
fn shift([a, b, c, d]: Limbs) -> (Limbs, u64) {
    ([0, a, b, c], d)
}

/// `a` times `by`: four limbs, and the limb above them.
fn scale(a: Limbs, by: u64) -> (Limbs, u64) {
    let mut carry = 0u128;
    let mut product = ZERO;
    for (out, limb) in product.iter_mut().zip(a) {
        let sum = u128::from(limb) * u128::from(by) + carry;
        *out = sum as u64;
        carry = sum >> 64;
    }
    (product, carry as u64)
}

/// `a` plus `extra`, below 2^70, modulo 2^255 - 19.
fn fold(a: Limbs, extra: u128) -> Limbs {
    let (sum, carry) = add(a, [extra as u64, (extra >> 64) as u64, 0, 0]);
    let (sum, carry) = if carry { add(sum, [38, 0, 0, 0]) } else { (sum, false) };
    debug_assert!(!carry, "what is left after one carry is far below 2^256");
    reduce(sum)
}

/// `a`, below 2^256, modulo 2^255 - 19: at most twice the prime comes off.
fn reduce(mut a: Limbs) -> Limbs {
    while !less(&a, &ED25519.prime) {
        a = subtract(a, ED25519.prime).0;
    }
    a
}

fn from_big_endian(bytes: &[u8; 32]) -> Limbs {
    let mut limbs = ZERO;
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks(8)) {
        *limb = chunk.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    }
    limbs
}

fn less(a: &Limbs, b: &Limbs) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn add(a: Limbs, b: Limbs) -> (Limbs, bool) {
    let mut carry = false;
    let mut sum = ZERO;
    for ((out, x), y) in sum.iter_mut().zip(a).zip(b) {
        let (partial, first) = x.overflowing_add(y);
        let (whole, second) = partial.overflowing_add(u64::from(carry));
        *out = whole;
        carry = first || second;
    }
    (sum, carry)
}

fn subtract(a: Limbs, b: Limbs) -> (Limbs, bool) {
    let mut borrow = false;
    let mut difference = ZERO;
    for ((out, x), y) in difference.iter_mut().zip(a).zip(b) {
        let (partial, first) = x.overflowing_sub(y);
        let (whole, second) = partial.overflowing_sub(u64::from(borrow));
        *out = whole;
        borrow = first || second;
    }
    (difference, borrow)
}

/// The bits of `a`, most significant first.
fn bits(a: Limbs) -> impl Iterator<Item = bool> {
    a.into_iter().rev().flat_map(|limb| (0..64).rev().map(move |at| (limb >> at) & 1 == 1))
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::base::{Rng, SystemRng};

    /// Half of all `y` have no `x`: dalek, which decompresses, must say the same of each.
    #[test]
    fn random_bytes_are_ed25519_keys_exactly_when_dalek_says_so() {
        for _ in 0..200 {
            let mut bytes = [0; 32];
            SystemRng.fill(&mut bytes).unwrap();
            let dalek = ed25519_dalek::VerifyingKey::from_bytes(&bytes).is_ok();
            let canonical = !matches!(check_ed25519(&bytes), Err(KeyError::Coordinate));
            assert_eq!(check_ed25519(&bytes).is_ok(), dalek && canonical, "{bytes:02x?}");
        }
    }

    #[test]
    fn p256_points_are_known_and_their_neighbours_are_not() {
        for scalar in 1..40u8 {
            let mut secret = [0; 32];
            secret[31] = scalar;
            let key = p256::ecdsa::SigningKey::from_slice(&secret).unwrap();
            let point = key.verifying_key().to_sec1_point(false);
            let x: [u8; 32] = point.as_bytes()[1..33].try_into().unwrap();
            let mut y: [u8; 32] = point.as_bytes()[33..].try_into().unwrap();
            assert_eq!(check_p256(&x, &y), Ok(()));
            y[31] ^= 1;
            assert_eq!(check_p256(&x, &y), Err(KeyError::NotOnCurve));
        }
        assert_eq!(check_p256(&[0xff; 32], &[1; 32]), Err(KeyError::Coordinate));
    }

    #[test]
    fn every_point_of_low_order_is_refused() {
        for point in curve25519_dalek_torsion() {
            assert_eq!(check_ed25519(&point), Err(KeyError::LowOrder), "{point:02x?}");
        }
        let mut not_canonical = [0xff; 32];
        not_canonical[0] = 0xee;
        not_canonical[31] = 0x7f;
        assert_eq!(check_ed25519(&not_canonical), Err(KeyError::Coordinate));
    }

    /// The eight encodings, both signs of each `y`, that dalek itself calls weak.
    fn curve25519_dalek_torsion() -> Vec<[u8; 32]> {
        let mut points = Vec::new();
        for y in ED25519_LOW_ORDER {
            for sign in [0, 0x80] {
                let mut bytes = [0; 32];
                for (chunk, limb) in bytes.chunks_mut(8).zip(y) {
                    chunk.copy_from_slice(&limb.to_le_bytes());
                }
                bytes[31] |= sign;
                if let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&bytes) {
                    assert!(key.is_weak());
                }
                points.push(bytes);
            }
        }
        points
    }
}
