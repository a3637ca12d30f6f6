//! Credentials: how an agent proves that it is itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::base::{AgentId, CredentialId, EntropyError, Rng, SecretString, Timestamp};
use crate::crypto::sha256;

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
    /// It may not.
    Revoked,
}

impl CredentialStatus {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialStatus::Active => "active",
            CredentialStatus::Revoked => "revoked",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<CredentialStatus> {
        [CredentialStatus::Active, CredentialStatus::Revoked]
            .into_iter()
            .find(|s| s.as_str() == text)
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
    /// Whether it may be used.
    pub status: CredentialStatus,
    /// From when it may no longer be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was issued.
    pub created_at: Timestamp,
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

/// A credential to be issued.
#[derive(Debug, Clone, Default)]
pub struct NewCredential {
    pub(crate) expires_in: Option<std::time::Duration>,
}

impl NewCredential {
    /// Lets it expire after `life`; it never does unless given.
    #[must_use]
    pub fn expires_in(mut self, life: std::time::Duration) -> NewCredential {
        self.expires_in = Some(life);
        self
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
}
