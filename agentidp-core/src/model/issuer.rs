//! The issuer: the URL that names this instance in every token and DID.

use std::fmt;

use serde::Serialize;
use url::{Host, Url};

use crate::base::limits;

use super::Invalid;

/// The issuer identifier of RFC 8414 section 2: https without query or fragment, or http with the
/// host `localhost`. An IP address is refused, since did:web has none. Compared byte by byte.
///
/// ```
/// use agentidp_core::Issuer;
/// let issuer = Issuer::parse("https://idp.example.com").unwrap();
/// assert_eq!(issuer.as_str(), "https://idp.example.com");
/// assert!(Issuer::parse("http://idp.example.com").is_err());
/// assert!(Issuer::parse("https://192.0.2.1").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Issuer {
    text: String,
    #[serde(skip)]
    authority: String,
    #[serde(skip)]
    path: Vec<String>,
}

impl Issuer {
    /// Reads an issuer.
    ///
    /// # Errors
    /// [`Invalid`] when the URL may not be an issuer, and why.
    pub fn parse(text: &str) -> Result<Issuer, Invalid> {
        let refuse = |reason: &str| Invalid::new("issuer", reason);
        if text.len() > limits::URL_BYTES_MAX {
            return Err(refuse("longer than 2048 bytes"));
        }
        let url = Url::parse(text).map_err(|error| refuse(&format!("not a URL: {error}")))?;
        let Some(Host::Domain(host)) = url.host() else {
            return Err(refuse("the host must be a name: did:web knows no addresses"));
        };
        match url.scheme() {
            "https" => {}
            "http" if host == "localhost" => {}
            _ => return Err(refuse("https is required (http only for the host `localhost`)")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("no query and no fragment are allowed"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("no user information is allowed"));
        }
        // The URL must be in the form that clients will compare, up to the slash of an empty path.
        let normal = url.as_str();
        if text != normal && Some(text) != normal.strip_suffix('/') {
            return Err(refuse(&format!("not in normal form: write `{normal}`")));
        }
        if text.ends_with('/') {
            return Err(refuse("a slash at the end is not allowed"));
        }
        let path: Vec<String> = url
            .path_segments()
            .map(|segments| segments.filter(|s| !s.is_empty()).map(str::to_owned).collect())
            .unwrap_or_default();
        let plain = |segment: &String| {
            segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if url.path().contains("//") || !path.iter().all(plain) {
            return Err(refuse("path segments may hold letters, digits, `-`, `_` and `.`"));
        }
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Issuer { text: text.to_owned(), authority, path })
    }

    /// The URL, as it stands in `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, and the port where one is written.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The segments of the path; none for most issuers.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_https_names_in_normal_form() {
        for text in [
            "https://idp.example.com",
            "https://idp.example.com:8443",
            "http://localhost:8080",
            "https://h.example/base/x",
        ] {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_clients_would_compare_differently_is_refused() {
        for text in [
            "",
            "idp.example.com",
            "ftp://idp.example.com",
            "http://idp.example.com",
            "http://127.0.0.1",
            "https://[::1]",
            "https://192.0.2.1",
            "https://idp.example.com/",
            "https://IDP.example.com",
            "https://idp.example.com:443",
            "https://idp.example.com?x",
            "https://idp.example.com#x",
            // These two are in normal form, and nothing else is wrong with them.
            "https://idp.example.com/?x",
            "https://idp.example.com/#x",
            "https://user@idp.example.com",
            "https://idp.example.com/a//b",
            "https://idp.example.com/a%2fb",
            "https://idp.example.com/../x",
            "https://idp.example.com/base/",
            " https://idp.example.com",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }
}
