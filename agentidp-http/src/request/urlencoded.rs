//! The encoding of `application/x-www-form-urlencoded` (RFC 6749 appendix B): plus signs are spaces,
//! and bytes of UTF-8 are written as `%` and two digits. What cannot be decoded is refused.

use std::borrow::Cow;

/// The text, or `None` when it is not in this encoding, or not in UTF-8.
pub(super) fn decode(encoded: &[u8]) -> Option<Cow<'_, str>> {
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(encoded).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => digit(*bytes.next()?)? << 4 | digit(*bytes.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn text_is_decoded_or_refused() {
        for (encoded, text) in [
            ("", ""),
            ("a.b-c_d~e", "a.b-c_d~e"),
            ("a+b%20c%2Bd", "a b c+d"),
            ("%c3%A4%25", "ä%"),
            ("ä", "ä"),
        ] {
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(text));
        }
        for encoded in ["%", "%a", "%zz", "%+1", "100%", "%ff", "a%C3"] {
            assert_eq!(decode(encoded.as_bytes()), None, "{encoded}");
        }
        assert_eq!(decode(b"\xff"), None);
    }
}
