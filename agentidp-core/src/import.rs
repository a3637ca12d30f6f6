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
use crate::crypto::{Alg, PublicKey, hexadecimal, sha256};
use crate::error::ErrorCode;
use crate::jose::{Jwk, JwkError};
use crate::model::{AgentStatus, Invalid, NewAgent};

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
    pub(crate) status: AgentStatus,
    pub(crate) created_at: Option<Timestamp>,
    /// The keys that the agent holds and is registered with, each once.
    pub(crate) held_keys: Vec<PublicKey>,
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
const MEMBERS: [&str; 14] = [
    "name",
    "description",
    "owner",
    "scopes",
    "audiences",
    "capabilities",
    "url",
    "tokenLifeSecondsMax",
    "tokenAlg",
    "agentId",
    "status",
    "createdAt",
    "publicKeys",
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
        let line = ImportLine {
            agent: particulars(&members)?,
            id: text("agentId", &members)?.map(agent_id).transpose()?,
            status: text("status", &members)?.map_or(Ok(AgentStatus::Active), status)?,
            created_at: time("createdAt", &members)?,
            held_keys: held_keys(&members)?,
            credentials: credentials(&members)?,
        };
        check_one_way(&line)?;
        Ok(line)
    }
}

/// What a registration would say of the agent.
fn particulars(members: &Map<String, Value>) -> Result<NewAgent, Invalid> {
    let name = text("name", members)?.ok_or_else(|| Invalid::new("name", "missing"))?;
    let mut agent = NewAgent::new(name);
    if let Some(description) = text("description", members)? {
        agent = agent.description(description);
    }
    if let Some(owner) = text("owner", members)? {
        agent = agent.owner(owner);
    }
    if let Some(url) = text("url", members)? {
        agent = agent.url(url);
    }
    if let Some(seconds) = integer("tokenLifeSecondsMax", members)? {
        agent = agent.token_life_seconds_max(seconds);
    }
    if let Some(name) = text("tokenAlg", members)? {
        agent = agent.token_alg(token_alg(name)?);
    }
    agent = texts("scopes", members)?.into_iter().fold(agent, NewAgent::scope);
    agent = texts("audiences", members)?.into_iter().fold(agent, NewAgent::audience);
    Ok(texts("capabilities", members)?.into_iter().fold(agent, NewAgent::capability))
}

/// The algorithm of the name that we write, as the API takes it.
fn token_alg(name: &str) -> Result<Alg, Invalid> {
    let found = Alg::ALL.iter().copied().find(|alg| alg.as_str() == name);
    found.ok_or_else(|| Invalid::new("tokenAlg", "ES256, EdDSA or RS256 is expected"))
}

/// A status that an agent may begin with: what is over elsewhere is not taken over.
fn status(text: &str) -> Result<AgentStatus, Invalid> {
    let reason = match AgentStatus::parse(text) {
        Some(status @ (AgentStatus::Active | AgentStatus::Suspended)) => return Ok(status),
        Some(AgentStatus::Decommissioned) => "an agent that is decommissioned is not imported",
        None => "`active` or `suspended` is expected",
    };
    Err(Invalid::new("status", reason))
}

/// An id that an agent may have: the nil UUID stands for nobody.
fn agent_id(text: &str) -> Result<AgentId, Invalid> {
    let expected = "lower-case UUID text of 36 characters is expected, and not the nil UUID";
    AgentId::parse(text)
        .ok()
        .filter(|id| *id != AgentId::nil())
        .ok_or_else(|| Invalid::new("agentId", expected))
}

fn held_keys(members: &Map<String, Value>) -> Result<Vec<PublicKey>, Invalid> {
    let invalid = |reason: &str| Invalid::new("publicKeys", reason);
    let list = match members.get("publicKeys") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(invalid("a list is expected")),
    };
    if list.len() > HELD_KEYS_MAX {
        return Err(invalid("more than 9 keys"));
    }
    let mut keys = Vec::new();
    for item in list {
        let read = jwk(item).ok_or_else(|| invalid(KEY_EXPECTED))?;
        let read = read.map_err(|error| invalid(&error.to_string()).coded(error.code()))?;
        // As in a registration, what is there twice is kept once.
        if !keys.contains(read.key()) {
            keys.push(read.key().clone());
        }
    }
    Ok(keys)
}

/// One place among an agent's keys is that of the key which is held for it here.
const HELD_KEYS_MAX: usize = limits::AGENT_KEYS_MAX - 1;

/// A key that proves the agent in two ways would outlive its end in one of them.
fn check_one_way(line: &ImportLine) -> Result<(), Invalid> {
    let is_held = |own: &ImportedCredential| match &own.proof {
        ImportedProof::Digest(_) => false,
        ImportedProof::PublicKey(key) => line.held_keys.contains(key),
    };
    if line.credentials.iter().any(is_held) {
        let reason = "`credentials` has one of them, too: a key proves an agent in one way";
        return Err(Invalid::new("publicKeys", reason));
    }
    Ok(())
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
    let read = value.and_then(jwk).ok_or_else(|| Invalid::new("publicKey", KEY_EXPECTED))?;
    Ok(read?.key().clone())
}

/// A key, as a JWK or as PEM. `None` where it is neither an object nor text.
fn jwk(value: &Value) -> Option<Result<Jwk, JwkError>> {
    match value {
        Value::Object(members) => Some(Jwk::from_members(members)),
        Value::String(pem) => Some(Jwk::from_text(pem)),
        _ => None,
    }
}

const KEY_EXPECTED: &str = "a JWK or the text of a PEM file is expected";

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

fn integer(field: &'static str, members: &Map<String, Value>) -> Result<Option<i64>, Invalid> {
    let Some(value) = members.get(field) else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| Invalid::new(field, "an integer is expected"))
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
    use crate::base::OrgId;

    const DIGEST: &str = "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824";
    const KEY: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    /// The same key as PEM, written as JSON.
    const PEM: &str = r#""-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n""#;
    /// The key of RFC 7515 appendix A.3.1.
    const OTHER_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn parse(line: &str) -> Result<ImportLine, LineRefused> {
        ImportLine::parse(line.as_bytes())
    }

    fn with(member: &str, value: &str) -> Result<ImportLine, LineRefused> {
        parse(&format!(r#"{{"name":"bot","{member}":{value}}}"#))
    }

    fn with_credentials(list: &str) -> Result<ImportLine, LineRefused> {
        with("credentials", &format!("[{list}]"))
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
    fn a_line_tells_how_the_agent_and_its_tokens_are_to_be() {
        let line = parse(&format!(
            r#"{{"name":"bot","status":"suspended","tokenLifeSecondsMax":600,"tokenAlg":"EdDSA",
                "publicKeys":[{KEY},{OTHER_KEY},{PEM}]}}"#
        ))
        .unwrap();
        assert_eq!(line.status, AgentStatus::Suspended);
        let algs: Vec<_> = line.held_keys.iter().map(PublicKey::alg).collect();
        assert_eq!(algs, [Alg::EdDsa, Alg::Es256], "each key once");
        let built = |line: ImportLine| {
            let id = AgentId::parse("01900000-0000-7000-8000-000000000001").unwrap();
            let now = Timestamp::from_seconds(0);
            line.agent.build(id, OrgId::system(), "did:web:x".to_owned(), now).unwrap()
        };
        let agent = built(line);
        assert_eq!((agent.token_life_seconds_max, agent.token_alg), (Some(600), Some(Alg::EdDsa)));
        let plain = parse(r#"{"name":"bot"}"#).unwrap();
        assert_eq!((plain.status, plain.held_keys.len()), (AgentStatus::Active, 0));
        let agent = built(plain);
        assert_eq!((agent.token_life_seconds_max, agent.token_alg), (None, None));
        assert_eq!(with("status", r#""active""#).unwrap().status, AgentStatus::Active);
        for alg in Alg::ALL {
            assert!(with("tokenAlg", &format!(r#""{alg}""#)).is_ok(), "{alg}");
        }
    }

    #[test]
    fn a_refusal_names_the_member_and_repeats_nothing() {
        for (member, value) in [
            ("status", r#""decommissioned""#),
            ("status", r#""hunter2""#),
            ("status", r#""Active""#),
            ("status", r#""""#),
            ("status", "null"),
            ("status", "true"),
            ("tokenLifeSecondsMax", r#""hunter2""#),
            ("tokenLifeSecondsMax", r#""600""#),
            ("tokenLifeSecondsMax", "600.0"),
            ("tokenLifeSecondsMax", "6e2"),
            ("tokenLifeSecondsMax", "9223372036854775808"),
            ("tokenLifeSecondsMax", "null"),
            ("tokenAlg", r#""hunter2""#),
            ("tokenAlg", r#""none""#),
            ("tokenAlg", r#""HS256""#),
            ("tokenAlg", r#""es256""#),
            ("tokenAlg", r#""Ed25519""#),
            ("tokenAlg", "256"),
            ("publicKeys", KEY),
            ("publicKeys", PEM),
            ("publicKeys", "null"),
            ("publicKeys", "[null]"),
            ("publicKeys", r#"["hunter2"]"#),
            ("publicKeys", r#"[{"kty":"oct","k":"hunter2"}]"#),
        ] {
            let refused = with(member, value).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{member}: ")), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn keys_that_the_agent_holds_are_few_public_and_no_credentials() {
        let held = |keys: &[&str]| with("publicKeys", &format!("[{}]", keys.join(",")));
        assert!(held(&[]).unwrap().held_keys.is_empty());
        assert_eq!(held(&[KEY; HELD_KEYS_MAX]).unwrap().held_keys.len(), 1);
        let many = held(&[KEY; HELD_KEYS_MAX + 1]).unwrap_err();
        assert_eq!(many.to_string(), "publicKeys: more than 9 keys");
        let private = KEY.replace("\"crv\"", "\"d\":\"AAAA\",\"crv\"");
        assert_eq!(held(&[OTHER_KEY, &private]).unwrap_err().code(), ErrorCode::InvalidKey);
        let both = |held: &str, credential: &str| {
            parse(&format!(
                r#"{{"name":"bot","publicKeys":[{held}],
                    "credentials":[{{"scheme":"public_key","publicKey":{credential}}}]}}"#
            ))
        };
        assert!(both(OTHER_KEY, KEY).is_ok());
        for (held, credential) in [(KEY, KEY), (KEY, PEM), (PEM, KEY)] {
            let refused = both(held, credential).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidInput);
            assert!(refused.to_string().starts_with("publicKeys: "), "{refused}");
        }
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
