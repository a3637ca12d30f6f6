//! Floor 3: a line of an import, an agent of another installation, as `docs/import.md` says.
//!
//! No message repeats a value of the line, which may be a secret that somebody put there by mistake.

#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "without a store lines are only read")
)]

use serde_json::{Map, Value};

use crate::base::{AgentId, Timestamp, limits};
use crate::canon::{CanonError, parse_strict_object};
use crate::crypto::{PublicKey, hexadecimal, sha256};
use crate::error::ErrorCode;
use crate::jose::{Jwk, JwkError};
use crate::model::{Invalid, NewAgent};

/// An agent to be imported, as one line tells of it.
///
/// ```
/// use agentidp_core::import::ImportLine;
/// assert!(ImportLine::parse(br#"{"name":"invoice-bot","scopes":["tools:read"]}"#).is_ok());
/// assert!(ImportLine::parse(br#"{"name":"invoice-bot","password":"x"}"#).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct ImportLine {
    pub(crate) agent: NewAgent,
    pub(crate) id: Option<AgentId>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) credentials: Vec<ImportedCredential>,
}

/// A credential of an agent to be imported.
#[derive(Debug, Clone)]
pub(crate) struct ImportedCredential {
    pub(crate) proof: ImportedProof,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What the agent proves itself by.
#[derive(Clone)]
pub(crate) enum ImportedProof {
    /// The SHA-256 of a secret, in lower-case hexadecimal.
    Digest(String),
    /// A key whose private half the agent holds.
    PublicKey(PublicKey),
}

impl std::fmt::Debug for ImportedProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportedProof::Digest(_) => f.write_str("Digest(redacted)"),
            ImportedProof::PublicKey(key) => write!(f, "{key:?}"),
        }
    }
}

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineRefused {
    /// Not one JSON object.
    #[error(transparent)]
    Json(#[from] CanonError),
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A public key is not acceptable.
    #[error("publicKey: {0}")]
    Key(#[from] JwkError),
}

impl LineRefused {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            LineRefused::Json(_) => ErrorCode::InvalidInput,
            LineRefused::Invalid(invalid) => invalid.code(),
            LineRefused::Key(error) => error.code(),
        }
    }
}

/// The members of a line.
const MEMBERS: [&str; 10] = [
    "name",
    "description",
    "owner",
    "scopes",
    "audiences",
    "capabilities",
    "url",
    "agentId",
    "createdAt",
    "credentials",
];

impl ImportLine {
    /// Reads a line.
    ///
    /// # Errors
    /// [`LineRefused`] when it is not what the format asks for.
    pub fn parse(line: &[u8]) -> Result<ImportLine, LineRefused> {
        let members = parse_strict_object(line, limits::IMPORT_LINE_BYTES_MAX)?;
        known("line", &members, &MEMBERS)?;
        let name = text("name", &members)?.ok_or_else(|| Invalid::new("name", "missing"))?;
        let mut agent = NewAgent::new(name);
        if let Some(description) = text("description", &members)? {
            agent = agent.description(description);
        }
        if let Some(owner) = text("owner", &members)? {
            agent = agent.owner(owner);
        }
        if let Some(url) = text("url", &members)? {
            agent = agent.url(url);
        }
        agent = texts("scopes", &members)?.into_iter().fold(agent, NewAgent::scope);
        agent = texts("audiences", &members)?.into_iter().fold(agent, NewAgent::audience);
        agent = texts("capabilities", &members)?.into_iter().fold(agent, NewAgent::capability);
        Ok(ImportLine {
            agent,
            id: text("agentId", &members)?.map(agent_id).transpose()?,
            created_at: time("createdAt", &members)?,
            credentials: credentials(&members)?,
        })
    }
}

/// An id that an agent may have: the nil UUID stands for nobody.
fn agent_id(text: &str) -> Result<AgentId, Invalid> {
    let expected = "lower-case UUID text of 36 characters is expected, and not the nil UUID";
    AgentId::parse(text)
        .ok()
        .filter(|id| *id != AgentId::nil())
        .ok_or_else(|| Invalid::new("agentId", expected))
}

fn credentials(members: &Map<String, Value>) -> Result<Vec<ImportedCredential>, LineRefused> {
    let list = match members.get("credentials") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Invalid::new("credentials", "a list is expected").into()),
    };
    let mut read = Vec::new();
    for item in list.iter().take(CREDENTIALS_MAX + 1) {
        let Value::Object(members) = item else {
            return Err(Invalid::new("credentials", "objects are expected in the list").into());
        };
        read.push(credential(members)?);
    }
    check_count(&read)?;
    Ok(read)
}

const CREDENTIALS_MAX: usize = limits::LIVE_SECRETS_MAX + limits::LIVE_PUBLIC_KEYS_MAX;

/// As many of each kind as an agent may have, and no key twice.
fn check_count(credentials: &[ImportedCredential]) -> Result<(), Invalid> {
    let mut keys: Vec<&PublicKey> = Vec::new();
    let mut secrets = 0;
    for credential in credentials {
        match &credential.proof {
            ImportedProof::Digest(_) => secrets += 1,
            ImportedProof::PublicKey(key) if keys.contains(&key) => {
                return Err(Invalid::new("credentials", "the same key twice"));
            }
            ImportedProof::PublicKey(key) => keys.push(key),
        }
    }
    if secrets > limits::LIVE_SECRETS_MAX || keys.len() > limits::LIVE_PUBLIC_KEYS_MAX {
        return Err(Invalid::new("credentials", "more than 5 secrets or 10 keys"));
    }
    Ok(())
}

fn credential(members: &Map<String, Value>) -> Result<ImportedCredential, LineRefused> {
    let expires_at = time("expiresAt", members)?;
    let proof = match text("scheme", members)? {
        Some("sha256") => {
            known("credentials", members, &["scheme", "digest", "expiresAt"])?;
            ImportedProof::Digest(digest(text("digest", members)?)?)
        }
        Some("public_key") => {
            known("credentials", members, &["scheme", "publicKey", "expiresAt"])?;
            ImportedProof::PublicKey(public_key(members.get("publicKey"))?)
        }
        _ => {
            let reason = "the schemes known are `sha256` and `public_key`; issue a new credential instead of importing what a password hash was kept of";
            return Err(Invalid::new("scheme", reason).into());
        }
    };
    Ok(ImportedCredential { proof, expires_at })
}

/// A SHA-256 in hexadecimal, and not that of nothing: it would let in whoever sends nothing.
fn digest(text: Option<&str>) -> Result<String, Invalid> {
    let invalid = |reason: &str| Invalid::new("digest", reason);
    let text = text.ok_or_else(|| invalid("missing"))?.to_ascii_lowercase();
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(invalid("64 hexadecimal digits are expected"));
    }
    if text == hexadecimal(&sha256(&[])) {
        return Err(invalid("this is the digest of the empty text"));
    }
    Ok(text)
}

fn public_key(value: Option<&Value>) -> Result<PublicKey, LineRefused> {
    match value {
        Some(Value::Object(members)) => Ok(Jwk::from_members(members)?.key().clone()),
        Some(Value::String(pem)) => Ok(Jwk::from_text(pem)?.key().clone()),
        _ => Err(Invalid::new("publicKey", "a JWK or the text of a PEM file is expected").into()),
    }
}

/// Refuses members that the format does not know: what they mean would be lost.
fn known(field: &'static str, members: &Map<String, Value>, names: &[&str]) -> Result<(), Invalid> {
    if members.keys().all(|name| names.contains(&name.as_str())) {
        return Ok(());
    }
    let reason = format!("a member that is not one of {}", names.join(", "));
    Err(Invalid::new(field, reason))
}

fn text<'a>(
    field: &'static str,
    members: &'a Map<String, Value>,
) -> Result<Option<&'a str>, Invalid> {
    match members.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Invalid::new(field, "text is expected")),
    }
}

fn texts(field: &'static str, members: &Map<String, Value>) -> Result<Vec<String>, Invalid> {
    let invalid = || Invalid::new(field, "a list of texts is expected");
    let list = match members.get(field) {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(invalid()),
    };
    let read = list.iter().map(|item| item.as_str().map(str::to_owned));
    read.collect::<Option<Vec<String>>>().ok_or_else(invalid)
}

fn time(field: &'static str, members: &Map<String, Value>) -> Result<Option<Timestamp>, Invalid> {
    let invalid = |_| Invalid::new(field, "an RFC 3339 time is expected");
    text(field, members)?.map(|text| text.parse().map_err(invalid)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824";
    const KEY: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn parse(line: &str) -> Result<ImportLine, LineRefused> {
        ImportLine::parse(line.as_bytes())
    }

    fn with_credentials(list: &str) -> Result<ImportLine, LineRefused> {
        parse(&format!(r#"{{"name":"bot","credentials":[{list}]}}"#))
    }

    #[test]
    fn a_line_tells_of_an_agent_and_its_credentials() {
        let line = parse(&format!(
            r#"{{"name":"bot","scopes":["a"],"agentId":"01900000-0000-7000-8000-000000000001",
                "createdAt":"2020-01-01T00:00:00Z","credentials":[
                {{"scheme":"sha256","digest":"{DIGEST}","expiresAt":"2030-01-01T00:00:00Z"}},
                {{"scheme":"public_key","publicKey":{KEY}}}]}}"#
        ))
        .unwrap();
        assert_eq!(line.id.unwrap().as_str(), "01900000-0000-7000-8000-000000000001");
        assert_eq!(line.created_at.unwrap().to_string(), "2020-01-01T00:00:00Z");
        let [secret, key] = line.credentials.as_slice() else { panic!("two credentials") };
        let lower = DIGEST.to_lowercase();
        assert!(matches!(&secret.proof, ImportedProof::Digest(digest) if *digest == lower));
        assert!(secret.expires_at.is_some() && key.expires_at.is_none());
        assert!(!format!("{secret:?}").contains(&lower));
    }

    #[test]
    fn what_the_format_does_not_say_is_refused() {
        for line in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"name":1}"#,
            r#"{"name":"a","name":"b"}"#,
            r#"{"name":"a","secret":"x"}"#,
            r#"{"name":"a","scopes":"b"}"#,
            r#"{"name":"a","scopes":[1]}"#,
            r#"{"name":"a","agentId":"00000000-0000-0000-0000-000000000000"}"#,
            r#"{"name":"a","agentId":"01900000-0000-7000-8000-00000000000A"}"#,
            r#"{"name":"a","createdAt":"yesterday"}"#,
            r#"{"name":"a","createdAt":1}"#,
            r#"{"name":"a","credentials":{}}"#,
            r#"{"name":"a","credentials":["x"]}"#,
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let long = format!(r#"{{"name":"a","description":"{}"}}"#, "x".repeat(64 * 1024));
        assert!(matches!(parse(&long), Err(LineRefused::Json(CanonError::TooLong { .. }))));
    }

    #[test]
    fn schemes_that_are_not_known_are_refused_without_telling_what_was_there() {
        for scheme in ["bcrypt", "argon2id", "plain", "sha1", "SHA256", ""] {
            let credential = format!(r#"{{"scheme":"{scheme}","digest":"hunter2"}}"#);
            let refused = with_credentials(&credential).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidInput);
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
        assert!(with_credentials(r#"{"digest":"x"}"#).is_err());
    }

    #[test]
    fn digests_and_keys_are_checked() {
        let secret = |digest: &str| {
            with_credentials(&format!(r#"{{"scheme":"sha256","digest":"{digest}"}}"#))
        };
        assert!(secret(DIGEST).is_ok());
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for bad in ["", "x", &DIGEST[1..], &format!("{DIGEST}0"), of_nothing] {
            assert!(secret(bad).is_err(), "{bad}");
        }
        let key = |key: &str| {
            with_credentials(&format!(r#"{{"scheme":"public_key","publicKey":{key}}}"#))
        };
        assert!(key(KEY).is_ok());
        let private = KEY.replace("\"crv\"", "\"d\":\"AAAA\",\"crv\"");
        assert_eq!(key(&private).unwrap_err(), LineRefused::Key(JwkError::Secret));
        assert_eq!(key("\"nothing\"").unwrap_err().code(), ErrorCode::InvalidKey);
        assert!(key("1").is_err());
        let one = format!(r#"{{"scheme":"public_key","publicKey":{KEY}}}"#);
        assert!(with_credentials(&format!("{one},{one}")).is_err(), "the same key twice");
        let secret = format!(r#"{{"scheme":"sha256","digest":"{DIGEST}"}}"#);
        let many = |count: usize| vec![secret.as_str(); count].join(",");
        assert!(with_credentials(&many(limits::LIVE_SECRETS_MAX)).is_ok());
        assert!(with_credentials(&many(limits::LIVE_SECRETS_MAX + 1)).is_err());
        assert!(with_credentials(&many(1000)).is_err());
    }
}
