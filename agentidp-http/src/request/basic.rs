//! Client credentials in the `Authorization` field (RFC 6749 section 2.3.1): name and secret in the
//! encoding of forms, joined by a colon, in base64 (RFC 7617 section 2).

use agentidp_core::SecretString;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::urlencoded::decode;

/// A client's name and secret.
#[derive(Debug)]
pub struct Basic {
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

/// Why a field holds no client's name and secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBasic {
    /// It is for another scheme.
    OtherScheme,
    /// It is not in base64, has no colon, or a part is not in the encoding of forms.
    Malformed,
}

impl Basic {
    /// Reads the value of an `Authorization` field. The scheme may be in any case.
    ///
    /// # Errors
    /// [`NotBasic`] when it is anything else.
    pub fn parse(field: &[u8]) -> Result<Basic, NotBasic> {
        let field = field.trim_ascii();
        let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        let (scheme, encoded) = field.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Err(NotBasic::OtherScheme);
        }
        let encoded = encoded.trim_ascii_start();
        if encoded.len() > BASIC_BYTES_MAX {
            return Err(NotBasic::Malformed);
        }
        Basic::decode(encoded).ok_or(NotBasic::Malformed)
    }

    fn decode(encoded: &[u8]) -> Option<Basic> {
        let joined = agentidp_core::SecretBytes::new(STANDARD.decode(encoded).ok()?);
        let joined = joined.expose();
        // A colon of the name is encoded, so the first one separates.
        let colon = joined.iter().position(|byte| *byte == b':')?;
        let client_id = decode(joined.get(..colon)?)?.into_owned();
        let client_secret = decode(joined.get(colon + 1..)?)?.into_owned();
        Some(Basic { client_id, client_secret: client_secret.into() })
    }
}

/// Longest name and secret in base64 that are looked at.
const BASIC_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scheme: &str, text: &[u8]) -> Result<(String, String), NotBasic> {
        let field = format!("{scheme}{}", STANDARD.encode(text));
        let basic = Basic::parse(field.as_bytes())?;
        Ok((basic.client_id, basic.client_secret.expose().to_owned()))
    }

    #[test]
    fn name_and_secret_are_in_the_encoding_of_forms() {
        for (text, name, secret) in [
            ("s6BhdRkqt3:gX1fBat3bV", "s6BhdRkqt3", "gX1fBat3bV"),
            ("a%3Ab:c%25d%2Be+f%3Ag", "a:b", "c%d+e f:g"),
            ("a:b:c", "a", "b:c"),
            ("%C3%A4:%F0%9F%94%91", "ä", "🔑"),
            (":", "", ""),
        ] {
            let read = parse("Basic ", text.as_bytes());
            assert_eq!(read, Ok((name.to_owned(), secret.to_owned())), "{text}");
            assert_eq!(parse("bASIC   ", text.as_bytes()), read);
        }
    }

    #[test]
    fn what_is_not_in_that_form_is_refused() {
        for text in [&b"no colon"[..], b"a:100%", b"a%:b", b"a:%ff", b"a:\xff", b"\xff:b", b""] {
            assert_eq!(parse("Basic ", text), Err(NotBasic::Malformed));
        }
        for field in ["Basic", "Basic !", "Basic YTpi YTpi", "Basic YTpiYw", "Basic YTpi,"] {
            let error = Basic::parse(field.as_bytes()).unwrap_err();
            assert_eq!(error, NotBasic::Malformed, "{field}");
        }
        assert_eq!(parse("Basic ", &[b':'; BASIC_BYTES_MAX]), Err(NotBasic::Malformed));
        for field in ["", "Bearer YTpi", "BasicYTpi"] {
            let error = Basic::parse(field.as_bytes()).unwrap_err();
            assert_eq!(error, NotBasic::OtherScheme, "{field}");
        }
    }
}
