//! Access tokens as requests carry them: in the `Authorization` field, and nowhere else (RFC 6750
//! section 2.1; RFC 9449 section 7.1). What stands in a query ends up in logs.

use agentidp_core::base::limits::TOKEN_BYTES_MAX;
use axum::http::{HeaderMap, StatusCode, header};

use crate::answer::{Challenge, Problem};

/// A token, and how it was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken<'a> {
    /// By whom it may be used.
    pub scheme: TokenScheme,
    /// The token, whatever it may be worth.
    pub token: &'a str,
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScheme {
    /// By whoever has it (RFC 6750).
    Bearer,
    /// By who also proves to have a key (RFC 9449).
    Dpop,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// None was sent, or the field is for another scheme.
    Missing,
    /// The field is of the right scheme, and not of its form; or there are several.
    Malformed,
}

impl<'a> AccessToken<'a> {
    /// Reads the value of an `Authorization` field: a scheme, in any case, spaces, and a token of the
    /// characters that RFC 6750 section 2.1 allows.
    ///
    /// # Errors
    /// [`NoToken`] when there is none.
    pub fn parse(field: &'a [u8]) -> Result<AccessToken<'a>, NoToken> {
        let field = field.trim_ascii();
        let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        let (name, rest) = field.split_at(end);
        let scheme = if name.eq_ignore_ascii_case(b"Bearer") {
            TokenScheme::Bearer
        } else if name.eq_ignore_ascii_case(b"DPoP") {
            TokenScheme::Dpop
        } else {
            return Err(NoToken::Missing);
        };
        let token = rest.trim_ascii_start();
        if !is_token(token) {
            return Err(NoToken::Malformed);
        }
        let token = std::str::from_utf8(token).map_err(|_| NoToken::Malformed)?;
        Ok(AccessToken { scheme, token })
    }

    /// The token of a request.
    pub(crate) fn of(headers: &'a HeaderMap) -> Result<AccessToken<'a>, NoToken> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Err(NoToken::Missing),
            (Some(field), None) => AccessToken::parse(field.as_bytes()),
            (Some(_), Some(_)) => Err(NoToken::Malformed),
        }
    }
}

/// `b64token`: base64 of either alphabet, dots and tildes, then padding.
fn is_token(text: &[u8]) -> bool {
    let body = text.iter().take_while(|byte| **byte != b'=').count();
    let (body, padding) = text.split_at(body);
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    !body.is_empty()
        && text.len() <= TOKEN_BYTES_MAX
        && body.iter().all(allowed)
        && padding.iter().all(|byte| *byte == b'=')
}

impl From<NoToken> for Problem {
    fn from(reason: NoToken) -> Problem {
        match reason {
            NoToken::Missing => {
                let detail = "an access token is expected in the `Authorization` field";
                Problem::of(StatusCode::UNAUTHORIZED, "token_missing", detail)
                    .challenging(Challenge::TokenMissing)
            }
            NoToken::Malformed => {
                let detail = "the `Authorization` field must be there once, with one token";
                Problem::of(StatusCode::BAD_REQUEST, "invalid_input", detail)
                    .challenging(Challenge::RequestMalformed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme_in_any_case() {
        for (field, scheme) in [
            ("Bearer a.b-c_d~e+f/g==", TokenScheme::Bearer),
            ("bEARER   a.b-c_d~e+f/g==", TokenScheme::Bearer),
            ("dpop a.b-c_d~e+f/g== ", TokenScheme::Dpop),
        ] {
            let token = AccessToken::parse(field.as_bytes());
            assert_eq!(token, Ok(AccessToken { scheme, token: "a.b-c_d~e+f/g==" }), "{field}");
        }
    }

    #[test]
    fn what_is_no_token_is_malformed_and_other_schemes_are_none() {
        let long = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1));
        for field in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer ä",
            "Bearer =",
            "Bearer a=b",
            "DPoP \"a\"",
            &long,
        ] {
            assert_eq!(AccessToken::parse(field.as_bytes()), Err(NoToken::Malformed), "{field}");
        }
        for field in ["", " ", "Basic YTpi", "BearerX a", "Bearer\ta", "token a"] {
            assert_eq!(AccessToken::parse(field.as_bytes()), Err(NoToken::Missing), "{field}");
        }
    }
}
