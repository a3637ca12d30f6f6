//! Claims read strictly: one type each, no coercion, no member twice.

use serde_json::{Map, Value};

use crate::base::Timestamp;
use crate::base::limits::TOKEN_BYTES_MAX;
use crate::canon::parse_strict_object;
use crate::jose::VerifyError;

/// Takes the claims of a payload one by one. What nobody asks for is ignored (RFC 7519 section 4).
///
/// ```
/// use agentidp_core::oidc::ClaimReader;
/// let mut claims = ClaimReader::new(br#"{"iss":"https://a.example","exp":1,"aud":"b"}"#).unwrap();
/// assert_eq!(claims.string("iss").unwrap(), "https://a.example");
/// assert_eq!(claims.audience().unwrap(), ["b"]);
/// assert!(claims.string("sub").is_err());
/// ```
#[derive(Debug)]
pub struct ClaimReader(Map<String, Value>);

impl ClaimReader {
    /// Reads the payload of a token.
    ///
    /// # Errors
    /// [`VerifyError::Payload`] unless it is one JSON object without duplicates.
    pub fn new(payload: &[u8]) -> Result<ClaimReader, VerifyError> {
        parse_strict_object(payload, TOKEN_BYTES_MAX)
            .map(ClaimReader)
            .map_err(|_| VerifyError::Payload)
    }

    /// A claim that must be a string, and not an empty one.
    ///
    /// # Errors
    /// [`VerifyError::Claim`] when it is absent or anything else.
    pub fn string(&mut self, name: &'static str) -> Result<String, VerifyError> {
        self.optional_string(name)?.filter(|text| !text.is_empty()).ok_or(VerifyError::Claim(name))
    }

    /// A claim that must be a string if it is there.
    ///
    /// # Errors
    /// [`VerifyError::Claim`] when it is anything else.
    pub fn optional_string(&mut self, name: &'static str) -> Result<Option<String>, VerifyError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(VerifyError::Claim(name)),
        }
    }

    /// A NumericDate that must be there, in seconds. Strings, fractions, exponents, times before 1970
    /// and after 9999 are refused, though RFC 7519 section 2 allows fractions.
    ///
    /// # Errors
    /// [`VerifyError::Claim`] when it is absent or anything else.
    pub fn seconds(&mut self, name: &'static str) -> Result<i64, VerifyError> {
        self.optional_seconds(name)?.ok_or(VerifyError::Claim(name))
    }

    /// A NumericDate, if it is there; see [`ClaimReader::seconds`].
    ///
    /// # Errors
    /// [`VerifyError::Claim`] when it is anything else.
    pub fn optional_seconds(&mut self, name: &'static str) -> Result<Option<i64>, VerifyError> {
        let Some(value) = self.0.remove(name) else {
            return Ok(None);
        };
        let range = 0..=Timestamp::MAX.as_seconds();
        let seconds = value.as_i64().filter(|seconds| range.contains(seconds));
        seconds.map(Some).ok_or(VerifyError::Claim(name))
    }

    /// The audiences: a string, or an array of strings that is not empty.
    ///
    /// # Errors
    /// [`VerifyError::Claim`] when `aud` is absent or anything else.
    pub fn audience(&mut self) -> Result<Vec<String>, VerifyError> {
        const REFUSED: VerifyError = VerifyError::Claim("aud");
        match self.0.remove("aud") {
            Some(Value::String(one)) if !one.is_empty() => Ok(vec![one]),
            Some(Value::Array(items)) if !items.is_empty() => items
                .into_iter()
                .map(|item| match item {
                    Value::String(one) if !one.is_empty() => Ok(one),
                    _ => Err(REFUSED),
                })
                .collect(),
            _ => Err(REFUSED),
        }
    }

    /// A claim that must be an object if it is there.
    ///
    /// # Errors
    /// [`VerifyError::Claim`] when it is anything else.
    pub fn optional_object(&mut self, name: &'static str) -> Result<Option<Value>, VerifyError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(object @ Value::Object(_)) => Ok(Some(object)),
            Some(_) => Err(VerifyError::Claim(name)),
        }
    }
}
