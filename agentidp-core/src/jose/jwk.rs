//! One public key as JSON (RFC 7517), and the policy by which foreign keys are let in.
//!
//! | what | refused |
//! |---|---|
//! | any key | private members (RFC 7518 sections 6.2.2 and 6.3.2), `kty` `oct`, a member twice |
//! | `kid` | not a string, or longer than 256 bytes |
//! | `use`, `key_ops` | other than signature verification |
//! | `alg` | other than the one the key is for; absent, it is the one the key is for |
//! | EC | `crv` not `P-256`; coordinates not 32 bytes, or not on the curve |
//! | OKP | `crv` not `Ed25519`; `x` not 32 bytes, not canonical, not on the curve, or of low order |
//! | RSA | modulus not 2048 to 8192 bits or with the ROCA weakness; exponent even or not 3 to 2^32 |
//!
//! `x5c`, `x5t`, `x5u` and members we do not know are never read (RFC 7517 section 4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::JwkError;
use crate::base::limits::KID_BYTES_MAX;
use crate::canon::parse_strict_object;
use crate::crypto::{Alg, Parts, PublicKey, sha256};

/// Longest single key read, in bytes: an RSA key of 8192 bits and its certificates.
const JWK_BYTES_MAX: usize = 32 * 1024;
/// The members of private and symmetric keys, of every `kty` known; `priv` is that of RFC 9964's AKP.
const SECRET_MEMBERS: [&str; 10] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"];

/// A public key with the name it has in its set.
///
/// ```
/// use agentidp_core::jose::Jwk;
/// let jwk = Jwk::parse(br#"{"kty":"OKP","crv":"Ed25519",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#).unwrap();
/// assert_eq!(jwk.kid(), None);
/// // The thumbprint of RFC 8037 appendix A.3.
/// assert_eq!(jwk.key().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    key: PublicKey,
}

impl Jwk {
    /// The key `key`, named by its thumbprint (RFC 7638).
    pub fn new(key: PublicKey) -> Jwk {
        Jwk { kid: Some(key.thumbprint()), key }
    }

    /// Reads one key.
    ///
    /// # Errors
    /// [`JwkError`] when it is not JSON, or when the policy of this module refuses it.
    pub fn parse(bytes: &[u8]) -> Result<Jwk, JwkError> {
        Jwk::from_members(&parse_strict_object(bytes, JWK_BYTES_MAX)?)
    }

    /// Reads one key that somebody hands in as a JWK or as PEM, and names it by its thumbprint. The name
    /// that a JWK gives itself is not kept: two keys could have the same.
    ///
    /// ```
    /// use agentidp_core::jose::Jwk;
    /// let pem = "-----BEGIN PUBLIC KEY-----\n\
    ///            MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
    ///            -----END PUBLIC KEY-----\n";
    /// let jwk = r#"{"kty":"OKP","crv":"Ed25519","kid":"mine",
    ///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// assert_eq!(Jwk::from_text(pem).unwrap(), Jwk::from_text(jwk).unwrap());
    /// ```
    ///
    /// # Errors
    /// [`JwkError`] when it is neither, or when the policy of this module refuses it.
    pub fn from_text(jwk_or_pem: &str) -> Result<Jwk, JwkError> {
        let text = jwk_or_pem.trim_ascii();
        let key = if text.starts_with("-----") {
            PublicKey::from_pem(text)?
        } else {
            Jwk::parse(text.as_bytes())?.key
        };
        Ok(Jwk::new(key))
    }

    /// Reads one key from the members of a JSON object that was read strictly.
    ///
    /// # Errors
    /// [`JwkError`] when the policy of this module refuses it.
    pub fn from_members(members: &Map<String, Value>) -> Result<Jwk, JwkError> {
        if SECRET_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(JwkError::Secret);
        }
        let kid = optional_string(members, "kid")?;
        if kid.is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(JwkError::Member("kid"));
        }
        check_use(members)?;
        let key = match required_string(members, "kty")? {
            "oct" => return Err(JwkError::Secret),
            "EC" => read_ec(members)?,
            "OKP" => read_okp(members)?,
            "RSA" => read_rsa(members)?,
            _ => return Err(JwkError::Unsupported),
        };
        Ok(Jwk { kid: kid.map(str::to_owned), key })
    }

    /// The name, if the set gives one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The JSON of it: public members, `use`, `alg`, and the name it has.
    pub fn to_value(&self) -> Value {
        let mut members = self.key.required_members();
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), Value::from(kid.as_str()));
        }
        members.insert("use".to_owned(), Value::from("sig"));
        members.insert("alg".to_owned(), Value::from(self.key.alg().as_str()));
        Value::Object(members)
    }
}

impl PublicKey {
    /// The key as a JWK: public members, `use`, `alg`, and the thumbprint as `kid`.
    pub fn to_jwk(&self) -> Value {
        Jwk::new(self.clone()).to_value()
    }

    /// The SHA-256 thumbprint (RFC 7638), in base64url.
    pub fn thumbprint(&self) -> String {
        // The members are listed in the order of their names and base64url needs no escapes: this is
        // the form of RFC 7638 section 3.3.
        let canonical = Value::Object(self.required_members()).to_string();
        URL_SAFE_NO_PAD.encode(sha256(&[canonical.as_bytes()]))
    }

    /// The members of RFC 7638 section 3.2, in the order of their names.
    fn required_members(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
        let members = match self.parts() {
            Parts::P256 { x, y } => vec![
                ("crv", Value::from("P-256")),
                ("kty", Value::from("EC")),
                ("x", encode(x)),
                ("y", encode(y)),
            ],
            Parts::Ed25519(x) => {
                vec![("crv", Value::from("Ed25519")), ("kty", Value::from("OKP")), ("x", encode(x))]
            }
            Parts::Rsa { modulus, exponent } => {
                vec![("e", encode(exponent)), ("kty", Value::from("RSA")), ("n", encode(modulus))]
            }
        };
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn read_ec(members: &Map<String, Value>) -> Result<PublicKey, JwkError> {
    if required_string(members, "crv")? != "P-256" {
        return Err(JwkError::Unsupported);
    }
    check_alg(members, Alg::Es256)?;
    Ok(PublicKey::p256(&bytes(members, "x")?, &bytes(members, "y")?)?)
}

fn read_okp(members: &Map<String, Value>) -> Result<PublicKey, JwkError> {
    if required_string(members, "crv")? != "Ed25519" {
        return Err(JwkError::Unsupported);
    }
    check_alg(members, Alg::EdDsa)?;
    if members.contains_key("y") {
        return Err(JwkError::Member("y"));
    }
    Ok(PublicKey::ed25519(&bytes(members, "x")?)?)
}

fn read_rsa(members: &Map<String, Value>) -> Result<PublicKey, JwkError> {
    check_alg(members, Alg::Rs256)?;
    Ok(PublicKey::rsa(&bytes(members, "n")?, &bytes(members, "e")?)?)
}

/// The `alg` must be the key's. One that belongs to the same `kty` makes the key one that we have no
/// use for; any other contradicts the key.
fn check_alg(members: &Map<String, Value>, alg: Alg) -> Result<(), JwkError> {
    const OTHER_RSA: [&str; 10] = [
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "RSA1_5",
        "RSA-OAEP",
        "RSA-OAEP-256",
        "RSA-OAEP-384",
        "RSA-OAEP-512",
    ];
    match optional_string(members, "alg")? {
        None => Ok(()),
        Some(name) if alg.is_named(name) => Ok(()),
        Some(name) if alg == Alg::Rs256 && OTHER_RSA.contains(&name) => Err(JwkError::Unsupported),
        Some(name) if alg == Alg::Es256 && name.starts_with("ECDH-ES") => {
            Err(JwkError::Unsupported)
        }
        Some(_) => Err(JwkError::Member("alg")),
    }
}

/// `use` and `key_ops` must allow verification (RFC 7517 sections 4.2 and 4.3).
fn check_use(members: &Map<String, Value>) -> Result<(), JwkError> {
    let for_signatures = match optional_string(members, "use")? {
        None => true,
        Some(usage) => usage == "sig",
    };
    let verifies = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => check_operations(operations)?,
        Some(_) => return Err(JwkError::Member("key_ops")),
    };
    match (for_signatures, verifies) {
        (true, true) => Ok(()),
        (true, false) if members.contains_key("use") => Err(JwkError::Member("key_ops")),
        (false, true) if members.contains_key("key_ops") => Err(JwkError::Member("use")),
        _ => Err(JwkError::Unsupported),
    }
}

/// Whether the operations are those of a signature key. Mixed and repeated ones are refused.
fn check_operations(operations: &[Value]) -> Result<bool, JwkError> {
    let mut names = Vec::with_capacity(operations.len());
    for operation in operations.iter().take(OPERATIONS_MAX + 1) {
        match operation.as_str() {
            Some(name) if !names.contains(&name) && names.len() < OPERATIONS_MAX => {
                names.push(name)
            }
            _ => return Err(JwkError::Member("key_ops")),
        }
    }
    let is_of_signature = |name: &&str| matches!(*name, "sign" | "verify");
    match (names.contains(&"verify"), names.iter().all(is_of_signature)) {
        (true, true) => Ok(true),
        (true, false) => Err(JwkError::Member("key_ops")),
        (false, _) => Ok(false),
    }
}

/// RFC 7517 section 4.3 defines eight.
const OPERATIONS_MAX: usize = 16;

fn bytes(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = required_string(members, name)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwkError::Member(name))
}

fn required_string<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, JwkError> {
    optional_string(members, name)?.ok_or(JwkError::Member(name))
}

fn optional_string<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, JwkError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::Member(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::KeyError;

    const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"mine",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_handed_in_is_the_same_in_both_forms_and_named_by_its_thumbprint() {
        let key = Jwk::from_text(&format!("\n{JWK}\n")).unwrap();
        assert_eq!(Jwk::from_text(PEM), Ok(key.clone()));
        assert_eq!(key.kid(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    }

    #[test]
    fn private_and_symmetric_keys_handed_in_are_refused() {
        let private = JWK.replace("\"crv\"", "\"d\":\"AAAA\",\"crv\"");
        assert_eq!(Jwk::from_text(&private), Err(JwkError::Secret));
        assert_eq!(Jwk::from_text(r#"{"kty":"oct","k":"AAAA"}"#), Err(JwkError::Secret));
        let pem = PEM.replace("PUBLIC", "PRIVATE");
        assert!(matches!(Jwk::from_text(&pem), Err(JwkError::Key(KeyError::Pem(_)))));
        for nothing in ["", "{}", "x", "-----"] {
            assert!(Jwk::from_text(nothing).is_err(), "{nothing}");
        }
    }
}
