//! SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) in PEM, read strictly: three kinds, one spelling each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{KeyError, PublicKey};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// An RSA key of 8192 bits has about 1500 characters.
const PEM_BYTES_MAX: usize = 4096;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// id-ecPublicKey with prime256v1 (RFC 5480).
const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// id-Ed25519 (RFC 8410).
const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
/// rsaEncryption with NULL parameters (RFC 3279).
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

pub(super) fn from_pem(text: &str) -> Result<PublicKey, KeyError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(KeyError::Pem("too long"));
    }
    if text.contains("PRIVATE KEY") {
        return Err(KeyError::Pem("this is a private key; supply the public one"));
    }
    let mut lines = text.lines();
    if lines.next() != Some(BEGIN) {
        return Err(KeyError::Pem("it must begin with the line BEGIN PUBLIC KEY"));
    }
    let mut body = String::with_capacity(text.len());
    for line in lines.by_ref() {
        if line == END {
            let rest_is_empty = lines.all(str::is_empty);
            let der = STANDARD.decode(&body).map_err(|_| KeyError::Pem("not base64"))?;
            let key = read(&der).ok_or(KeyError::Pem("not a P-256, Ed25519 or RSA key"))?;
            return if rest_is_empty { key } else { Err(KeyError::Pem("more than one key")) };
        }
        body.push_str(line);
    }
    Err(KeyError::Pem("the line END PUBLIC KEY is missing"))
}

/// The key in `der`, `None` when its form is not one of the three.
fn read(der: &[u8]) -> Option<Result<PublicKey, KeyError>> {
    let mut outer = whole(der, SEQUENCE)?;
    let algorithm = take(&mut outer, SEQUENCE)?;
    // The first byte of a BIT STRING counts the unused bits of its last.
    let (0, key) = whole(outer, BIT_STRING)?.split_first()? else {
        return None;
    };
    match algorithm {
        P256 => {
            let (x, y) = key.strip_prefix(&[0x04])?.split_at_checked(32)?;
            Some(PublicKey::p256(x, y))
        }
        ED25519 => Some(PublicKey::ed25519(key)),
        RSA => rsa_pkcs1(key),
        _ => None,
    }
}

/// An RSAPublicKey (RFC 8017 appendix A.1.1).
pub(super) fn rsa_pkcs1(der: &[u8]) -> Option<Result<PublicKey, KeyError>> {
    let mut members = whole(der, SEQUENCE)?;
    let modulus = positive(take(&mut members, INTEGER)?)?;
    let exponent = positive(whole(members, INTEGER)?)?;
    Some(PublicKey::rsa(modulus, exponent))
}

/// A positive INTEGER without the zero byte that keeps its sign.
fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
        [first, ..] if (1..0x80).contains(first) => Some(integer),
        _ => None,
    }
}

/// The content of the one element that `der` consists of.
fn whole(mut der: &[u8], tag: u8) -> Option<&[u8]> {
    let content = take(&mut der, tag)?;
    der.is_empty().then_some(content)
}

/// The content of the element that `der` begins with, which is then taken off it. Lengths must be
/// in the shortest form (X.690 section 10.1).
fn take<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [0x81, length @ 0x80..=0xff, rest @ ..] => (usize::from(*length), rest),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Alg;

    const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn line_ends_may_be_either_and_nothing_else_may_differ() {
        assert_eq!(from_pem(ED25519_PEM).unwrap().alg(), Alg::EdDsa);
        assert!(from_pem(&ED25519_PEM.replace('\n', "\r\n")).is_ok());
        assert!(from_pem(ED25519_PEM.trim_end()).is_ok());
        for bad in [
            format!("\n{ED25519_PEM}"),
            format!(" {ED25519_PEM}"),
            format!("\u{a0}{ED25519_PEM}"),
            format!("{ED25519_PEM}{ED25519_PEM}"),
            ED25519_PEM.replace("PUBLIC", "PRIVATE"),
            ED25519_PEM.replace("PUBLIC", "RSA PUBLIC"),
            ED25519_PEM.replace('=', ""),
            ED25519_PEM.replace("MCow", "MCsw"),
            ED25519_PEM.replace("-----END PUBLIC KEY-----", ""),
            "x".repeat(5000),
            String::new(),
        ] {
            assert!(matches!(from_pem(&bad), Err(KeyError::Pem(_))), "{bad}");
        }
        let complaint = |text: &str| match from_pem(text) {
            Err(KeyError::Pem(complaint)) => complaint,
            other => panic!("{other:?}"),
        };
        // Who hands in the wrong half learns which it is, wherever in the text it stands.
        let private = ED25519_PEM.replace("PUBLIC", "PRIVATE");
        for text in [private.clone(), format!("{ED25519_PEM}{private}")] {
            assert!(complaint(&text).contains("a private key"), "{text}");
        }
        let padded =
            |length: usize| format!("{ED25519_PEM}{}", "\n".repeat(length - ED25519_PEM.len()));
        assert!(from_pem(&padded(PEM_BYTES_MAX)).is_ok());
        assert_eq!(complaint(&padded(PEM_BYTES_MAX + 1)), "too long");
    }

    #[test]
    fn lengths_must_be_in_the_shortest_form() {
        assert_eq!(take(&mut &b"\x02\x01\x05"[..], INTEGER), Some(&b"\x05"[..]));
        for long in [
            &b"\x02\x81\x01\x05"[..],
            b"\x02\x82\x00\x01\x05",
            b"\x02\x80\x05\x00\x00",
            b"\x02\x02\x05",
        ] {
            assert_eq!(take(&mut { long }, INTEGER), None);
        }
        assert_eq!(positive(b"\x00\x05"), None);
        assert_eq!(positive(b"\x80"), None);
        assert_eq!(positive(b"\x00\x80"), Some(&b"\x80"[..]));
    }
}
