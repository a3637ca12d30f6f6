//! A set of public keys (RFC 7517 section 5).

use serde_json::{Map, Value};

use super::{Jwk, JwkError};
use crate::base::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
use crate::canon::parse_strict_object;
use crate::crypto::PublicKey;

/// A set of public keys to verify with.
///
/// A foreign set is taken or refused as a whole. One private, symmetric, weak or malformed key
/// refuses it: whoever publishes such a key does not know what the others are. Passed over are only
/// public keys that are sound as far as we can see and that we have no use for: another curve or
/// algorithm, or a key for encryption, which many issuers publish beside those for signatures.
///
/// ```
/// use agentidp_core::jose::Jwks;
/// let jwks = Jwks::parse(br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#).unwrap();
/// assert_eq!(jwks.keys().len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Jwk>,
    skipped: usize,
}

impl Jwks {
    /// Reads a set: at most 1 MiB and 64 keys.
    ///
    /// # Errors
    /// [`JwkError`] when it is not JSON, too large, names two keys alike, or holds a key that the
    /// policy of [`Jwk`] refuses.
    pub fn parse(bytes: &[u8]) -> Result<Jwks, JwkError> {
        let mut members = parse_strict_object(bytes, JWKS_BYTES_MAX)?;
        let Some(Value::Array(items)) = members.remove("keys") else {
            return Err(JwkError::NotASet);
        };
        if items.len() > JWKS_KEYS_MAX {
            return Err(JwkError::TooManyKeys(JWKS_KEYS_MAX));
        }
        check_names(&items)?;
        let mut set = Jwks::default();
        for (index, item) in items.iter().enumerate() {
            let members = item.as_object().ok_or(JwkError::NotASet)?;
            match Jwk::from_members(members) {
                Ok(key) => set.keys.push(key),
                Err(JwkError::Unsupported) => set.skipped += 1,
                Err(source) => return Err(JwkError::InSet { index, source: Box::new(source) }),
            }
        }
        Ok(set)
    }

    /// The set of our own keys, each named by its thumbprint.
    ///
    /// # Errors
    /// [`JwkError`] when a key is given twice, or when there are more than 64.
    pub fn from_keys(keys: impl IntoIterator<Item = PublicKey>) -> Result<Jwks, JwkError> {
        let keys: Vec<Jwk> = keys.into_iter().take(JWKS_KEYS_MAX + 1).map(Jwk::new).collect();
        if keys.len() > JWKS_KEYS_MAX {
            return Err(JwkError::TooManyKeys(JWKS_KEYS_MAX));
        }
        let mut names: Vec<_> = keys.iter().map(Jwk::kid).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(JwkError::DuplicateKid);
        }
        Ok(Jwks { keys, skipped: 0 })
    }

    /// The keys.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// How many keys of the set were passed over, since we have no use for them.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The JSON of the set, with public members only.
    pub fn to_json(&self) -> String {
        let keys = self.keys.iter().map(Jwk::to_value).collect();
        let set = Map::from_iter([("keys".to_owned(), Value::Array(keys))]);
        Value::Object(set).to_string()
    }
}

/// No two keys may have one name, those passed over included.
fn check_names(items: &[Value]) -> Result<(), JwkError> {
    let mut names: Vec<&str> = items.iter().filter_map(|item| item.get("kid")?.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(JwkError::DuplicateKid);
    }
    Ok(())
}
