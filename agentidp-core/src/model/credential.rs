//! Credentials: how an agent proves that it is itself.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::base::{AgentId, CredentialId, EntropyError, Rng, SecretString, Timestamp, limits};
use crate::crypto::sha256;

use super::Invalid;
use super::key_text::KeyText;

/// What every client secret begins with, for those who scan for leaked ones.
const PREFIX: &str = "aidp_";
/// Random bytes of a secret.
const RANDOM: usize = 32;
/// Bytes of a secret after the prefix: the credential's id, the random bytes, a checksum.
const BYTES: usize = 16 + RANDOM + CHECKSUM;
/// Bytes of the checksum, by which a scanner or a typing error is told from a secret of ours.
const CHECKSUM: usize = 4;

/// A client secret: `aidp_`, then base64url of the credential's id, 256 random bits and a checksum.
///
/// The id inside makes finding the credential one look-up, instead of trying every hash.
///
/// ```
/// use agentidp_core::model::ClientSecret;
/// use agentidp_core::{CredentialId, SystemClock, SystemRng};
/// let id = CredentialId::generate(&SystemClock, &SystemRng)?;
/// let secret = ClientSecret::generate(&id, &SystemRng)?;
/// // Whoever finds a secret somewhere learns of which credential it is.
/// let found = ClientSecret::parse(secret.expose()).ok_or("none of ours")?;
/// assert_eq!(found.credential_id(), &id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientSecret {
    credential: CredentialId,
    text: SecretString,
}

impl ClientSecret {
    /// A new secret for `credential`.
    ///
    /// # Errors
    /// [`EntropyError`] when `rng` fails.
    pub fn generate(
        credential: &CredentialId,
        rng: &dyn Rng,
    ) -> Result<ClientSecret, EntropyError> {
        let mut random = Zeroizing::new([0u8; RANDOM]);
        rng.fill(random.as_mut_slice())?;
        let id = credential.to_bytes();
        let check = checksum(&id, random.as_slice());
        let bytes = Zeroizing::new([&id, random.as_slice(), &check].concat());
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        Ok(ClientSecret { credential: credential.clone(), text: SecretString::new(text) })
    }

    /// Reads a secret that somebody sent. `None` when it cannot be one of ours.
    pub fn parse(text: &str) -> Option<ClientSecret> {
        let mut bytes = Zeroizing::new([0u8; BYTES]);
        let encoded = text.strip_prefix(PREFIX)?;
        if URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut_slice()).ok()? != BYTES {
            return None;
        }
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (random, check) = rest.split_at_checked(RANDOM)?;
        if checksum(id, random) != check {
            return None;
        }
        Some(ClientSecret {
            credential: CredentialId::from_bytes(*id),
            text: SecretString::from(text),
        })
    }

    /// The credential that it belongs to.
    pub fn credential_id(&self) -> &CredentialId {
        &self.credential
    }

    /// The text, to be shown once.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }
}

fn checksum(id: &[u8], random: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = sha256(&[b"agentidp/secret/v1", id, random]);
    [a, b, c, d]
}

/// Whether a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialStatus {
    /// It may, until it expires.
    Active,
    /// It may not any more: its time is over. Never stored, as time goes on by itself.
    Expired,
    /// It may not.
    Revoked,
}

impl CredentialStatus {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialStatus::Active => "active",
            CredentialStatus::Expired => "expired",
            CredentialStatus::Revoked => "revoked",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<CredentialStatus> {
        [CredentialStatus::Active, CredentialStatus::Expired, CredentialStatus::Revoked]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// What an agent proves itself by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A secret that it presents.
    Secret,
    /// A key by whose private half it signs (`private_key_jwt`); never a secret.
    PublicKey,
}

impl CredentialKind {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialKind::Secret => "secret",
            CredentialKind::PublicKey => "public_key",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<CredentialKind> {
        [CredentialKind::Secret, CredentialKind::PublicKey].into_iter().find(|k| k.as_str() == text)
    }
}

/// What a secret is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretScheme {
    /// One of ours: a MAC of the secret, which names its credential.
    Own,
    /// One of an installation that was imported: a MAC of the SHA-256 that was kept of it there.
    Sha256,
}

impl SecretScheme {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            SecretScheme::Own => "own",
            SecretScheme::Sha256 => "sha256",
        }
    }

    /// Reads the stored text.
    pub fn parse(text: &str) -> Option<SecretScheme> {
        [SecretScheme::Own, SecretScheme::Sha256].into_iter().find(|s| s.as_str() == text)
    }
}

/// A credential, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Its identifier.
    #[serde(rename = "credentialId")]
    pub id: CredentialId,
    /// The agent, which is the OAuth client.
    pub client_id: AgentId,
    /// What the agent proves itself by.
    pub kind: CredentialKind,
    /// The name of the key, if it is one: the thumbprint of RFC 7638.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Whether it may be used.
    pub status: CredentialStatus,
    /// From when it may no longer be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was issued.
    pub created_at: Timestamp,
}

impl Credential {
    /// As it is at that time.
    pub(crate) fn at(mut self, now: Timestamp) -> Credential {
        let is_over = self.expires_at.is_some_and(|end| end <= now);
        if is_over && self.status == CredentialStatus::Active {
            self.status = CredentialStatus::Expired;
        }
        self
    }
}

/// A credential with its secret: seen once, kept nowhere.
#[derive(Debug)]
pub struct IssuedCredential {
    credential: Credential,
    secret: ClientSecret,
}

impl IssuedCredential {
    pub(crate) fn new(credential: Credential, secret: ClientSecret) -> IssuedCredential {
        IssuedCredential { credential, secret }
    }

    /// The credential.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The secret. It cannot be asked for again.
    pub fn secret(&self) -> &str {
        self.secret.expose()
    }
}

/// A credential to be issued: a secret, unless it is a [`public_key`](NewCredential::public_key).
///
/// ```
/// use std::time::Duration;
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
/// use agentidp_core::NewCredential;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// let hour = Duration::from_secs(3600);
/// let issued = org.issue_credential(&agent.id, NewCredential::default().expires_in(hour))?;
/// let credential = issued.credential();
/// assert_eq!(credential.expires_at, Some(credential.created_at.plus(hour)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct NewCredential {
    pub(crate) expires_in: Option<Duration>,
}

impl NewCredential {
    /// Lets it expire after `life`, a second at least; it never does unless given.
    #[must_use]
    pub fn expires_in(mut self, life: Duration) -> NewCredential {
        self.expires_in = Some(life);
        self
    }

    /// A key instead of a secret: a public one, as a JWK or as PEM, whose private half the agent
    /// holds.
    ///
    /// ```
    /// use agentidp_core::NewCredential;
    /// let key = NewCredential::public_key(
    ///     r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    /// );
    /// ```
    pub fn public_key(jwk_or_pem: &str) -> NewKeyCredential {
        NewKeyCredential { key: KeyText::new(jwk_or_pem), expires_in: None }
    }
}

/// A public key by which an agent is to prove itself.
#[derive(Debug, Clone)]
pub struct NewKeyCredential {
    pub(crate) key: KeyText,
    pub(crate) expires_in: Option<Duration>,
}

impl NewKeyCredential {
    /// Lets it expire after `life`, a second at least; it never does unless given.
    #[must_use]
    pub fn expires_in(mut self, life: Duration) -> NewKeyCredential {
        self.expires_in = Some(life);
        self
    }
}

/// Whether the tokens that an agent has end with its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeTokens {
    /// All of its tokens end: none tells by which credential it was issued.
    Yes,
    /// They live on until they expire.
    No,
}

/// A credential that expires sooner could not be used once.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// When a credential that is to live for `life` expires.
pub(crate) fn expiry_of(
    life: Option<Duration>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Invalid> {
    if life.is_some_and(|life| life < SHORTEST_LIFE) {
        return Err(Invalid::new("expiresIn", "shorter than a second"));
    }
    Ok(life.map(|life| now.plus(life)))
}

/// Checks for how long the old one stays beside the new one.
pub(crate) fn check_overlap(overlap: Duration) -> Result<(), Invalid> {
    if overlap > limits::OVERLAP_MAX {
        return Err(Invalid::new("overlap", "longer than 90 days"));
    }
    Ok(())
}

/// When the old and the new secret of a rotation expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) old_expires_at: Timestamp,
    pub(crate) new_expires_at: Option<Timestamp>,
}

impl Credential {
    /// Whether it may be used at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let expired = self.expires_at.is_some_and(|expires_at| expires_at <= now);
        self.status == CredentialStatus::Active && !expired
    }

    /// What rotating it comes to; `None` when it is over already. The new one lives as long as the
    /// old one was made to.
    pub(crate) fn rotation(&self, overlap: Duration, now: Timestamp) -> Option<Rotation> {
        if !self.is_live(now) {
            return None;
        }
        let end = now.plus(overlap);
        let old_expires_at = self.expires_at.map_or(end, |expires_at| expires_at.min(end));
        let life = |expires_at: Timestamp| {
            let micros = expires_at.as_micros().saturating_sub(self.created_at.as_micros());
            Duration::from_micros(u64::try_from(micros).unwrap_or(0)).max(SHORTEST_LIFE)
        };
        let new_expires_at = self.expires_at.map(|expires_at| now.plus(life(expires_at)));
        Some(Rotation { old_expires_at, new_expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SystemClock, SystemRng};

    #[test]
    fn a_secret_names_its_credential_and_notices_typing_errors() {
        let id = CredentialId::generate(&SystemClock, &SystemRng).unwrap();
        let secret = ClientSecret::generate(&id, &SystemRng).unwrap();
        let text = secret.expose().to_owned();
        assert_eq!(ClientSecret::parse(&text).unwrap().credential_id(), &id);
        assert!(!format!("{secret:?}").contains(&text[5..]));
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(ClientSecret::parse(&wrong).is_none(), "{at}");
        }
        for wrong in ["", "aidp_", &text[..text.len() - 1], &format!("{text}A"), &text[5..]] {
            assert!(ClientSecret::parse(wrong).is_none());
        }
    }

    #[test]
    fn secrets_are_unlike_each_other() {
        let id = CredentialId::generate(&SystemClock, &SystemRng).unwrap();
        let one = ClientSecret::generate(&id, &SystemRng).unwrap();
        let two = ClientSecret::generate(&id, &SystemRng).unwrap();
        assert_ne!(one.expose(), two.expose());
    }

    fn credential(expires_at: Option<i64>) -> Credential {
        Credential {
            id: CredentialId::from_bytes([1; 16]),
            client_id: AgentId::nil(),
            kind: CredentialKind::Secret,
            kid: None,
            status: CredentialStatus::Active,
            expires_at: expires_at.map(Timestamp::from_seconds),
            created_at: Timestamp::from_seconds(100),
        }
    }

    #[test]
    fn a_credential_lives_for_a_second_at_least_or_for_good() {
        let now = Timestamp::from_seconds(100);
        let expiry = |life: Option<Duration>| expiry_of(life, now);
        assert_eq!(expiry(None), Ok(None));
        let second = Duration::from_secs(1);
        assert_eq!(expiry(Some(second)), Ok(Some(Timestamp::from_seconds(101))));
        for short in [Duration::ZERO, second - Duration::from_micros(1)] {
            assert_eq!(expiry(Some(short)).unwrap_err().field(), "expiresIn");
        }
        let forever = expiry(Some(Duration::MAX)).unwrap();
        assert_eq!(forever, Some(Timestamp::MAX));
    }

    #[test]
    fn a_rotated_secret_ends_with_the_overlap_or_before_and_the_next_lives_as_long() {
        let rotation = |expires_at, overlap, now| {
            let overlap = Duration::from_secs(overlap);
            let rotation = credential(expires_at).rotation(overlap, Timestamp::from_seconds(now));
            rotation.map(|r| {
                (r.old_expires_at.as_seconds(), r.new_expires_at.map(Timestamp::as_seconds))
            })
        };
        assert_eq!(rotation(None, 60, 200), Some((260, None)));
        assert_eq!(rotation(None, 0, 200), Some((200, None)));
        assert_eq!(rotation(Some(1100), 60, 200), Some((260, Some(1200))));
        assert_eq!(rotation(Some(210), 60, 200), Some((210, Some(310))));
        assert_eq!(rotation(Some(200), 60, 200), None);
        assert_eq!(rotation(Some(200), 60, 199), Some((200, Some(299))));
        // A life that the clock of another machine made negative is a second.
        assert_eq!(rotation(Some(90), 60, 80), Some((90, Some(81))));
        let mut revoked = credential(None);
        revoked.status = CredentialStatus::Revoked;
        assert_eq!(revoked.rotation(Duration::ZERO, Timestamp::from_seconds(0)), None);
        assert!(check_overlap(limits::OVERLAP_MAX).is_ok());
        assert!(check_overlap(limits::OVERLAP_MAX + Duration::from_micros(1)).is_err());
    }
}
