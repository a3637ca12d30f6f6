//! The life of the instance's keys, decided without a clock or a database.
//!
//! ```text
//! next  ->  current  ->  retired  ->  gone         revoked  ->  gone
//! published, signing     published,   row removed  from any state, at once
//! not signing            not signing
//! ```
//!
//! A state is left forwards only, whatever a clock says. Two promises are kept on the way:
//!
//! - Nothing is signed by a key that nobody can have fetched yet: a key is published for
//!   [`KeyPolicy::publish_before`] before it is promoted. Two exceptions are asked for by somebody: a
//!   rotation at once, and the successor of a revoked key. A resource server with an older copy of the
//!   key set refuses their tokens until it fetches the set anew, which it does at the latest when its
//!   copy expires ([`limits::JWKS_AGE_MAX`]). The alternative would be no tokens at all.
//! - No token outlives the publication of its key: a key signs under a lease
//!   ([`SigningKey::signs_until`]), so that the time of its last signature is known even if clocks are
//!   set back, and it stays published for [`limits::KEY_RETENTION`] after that.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::{Timestamp, limits};
use crate::crypto::Alg;

use super::Invalid;

/// What a key of the instance signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyPurpose {
    /// Access tokens and ID tokens.
    Token,
    /// Documents and cards.
    Document,
    /// Checkpoints of the audit logs.
    Audit,
}

impl KeyPurpose {
    /// Every purpose.
    pub const ALL: [KeyPurpose; 3] = [KeyPurpose::Token, KeyPurpose::Document, KeyPurpose::Audit];

    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyPurpose::Token => "token",
            KeyPurpose::Document => "document",
            KeyPurpose::Audit => "audit",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<KeyPurpose> {
        KeyPurpose::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// Where a key of the instance is in its life. One that is gone has no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, not signing yet.
    Next,
    /// Published and signing.
    Current,
    /// Published, no longer signing.
    Retired,
    /// Withdrawn, its private half destroyed.
    Revoked,
}

impl KeyState {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyState::Next => "next",
            KeyState::Current => "current",
            KeyState::Retired => "retired",
            KeyState::Revoked => "revoked",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<KeyState> {
        [KeyState::Next, KeyState::Current, KeyState::Retired, KeyState::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A key of the instance, without its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SigningKey {
    /// Its name: the thumbprint of its public half (RFC 7638).
    pub kid: String,
    /// What it signs with.
    #[serde(serialize_with = "as_name")]
    pub alg: Alg,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it began to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_at: Option<Timestamp>,
    /// When it ceased to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// When it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Nothing was signed by it at this time or later; extended as it is used.
    #[serde(skip)]
    pub(crate) signs_until: Option<Timestamp>,
}

fn as_name<S: Serializer>(alg: &Alg, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(alg.as_str())
}

impl SigningKey {
    /// A key that was just made. It signs from now on where it is `current` from the start.
    pub(crate) fn made(kid: String, kind: KeyKind, state: KeyState, now: Timestamp) -> SigningKey {
        let signs = state == KeyState::Current;
        SigningKey {
            kid,
            alg: kind.alg,
            purpose: kind.purpose,
            state,
            created_at: now,
            current_at: signs.then_some(now),
            retired_at: None,
            revoked_at: None,
            signs_until: signs.then(|| lease(now)),
        }
    }

    /// The key, signing from `now` on.
    pub(crate) fn promoted(self, now: Timestamp) -> SigningKey {
        let (current_at, signs_until) = (Some(now), Some(lease(now)));
        SigningKey { state: KeyState::Current, current_at, signs_until, ..self }
    }

    /// The key, no longer signing.
    pub(crate) fn retired(self, now: Timestamp) -> SigningKey {
        SigningKey { state: KeyState::Retired, retired_at: Some(now), ..self }
    }

    /// The key, withdrawn.
    pub(crate) fn revoked(self, now: Timestamp) -> SigningKey {
        SigningKey { state: KeyState::Revoked, revoked_at: Some(now), ..self }
    }

    /// Whether those who verify must be able to fetch it.
    pub fn is_published(&self) -> bool {
        self.state != KeyState::Revoked
    }

    /// From when on nobody needs it: all that it signed has expired. `None` while it may still be
    /// needed, and for keys of documents, whose life has no bound here.
    pub fn gone_at(&self) -> Option<Timestamp> {
        let ended = match self.state {
            KeyState::Next | KeyState::Current => return None,
            KeyState::Retired if self.purpose == KeyPurpose::Document => return None,
            KeyState::Retired => self.retired_at?,
            KeyState::Revoked => self.revoked_at?,
        };
        Some(self.signs_until.unwrap_or(ended).max(ended).plus(limits::KEY_RETENTION))
    }

    pub(crate) fn kind(&self) -> KeyKind {
        KeyKind { purpose: self.purpose, alg: self.alg }
    }
}

/// Until when a key may sign that is used at `now`.
pub(crate) fn lease(now: Timestamp) -> Timestamp {
    now.plus(limits::SIGNING_LEASE)
}

/// Keys of one kind succeed one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyKind {
    pub(crate) purpose: KeyPurpose,
    pub(crate) alg: Alg,
}

/// How long the instance's keys sign, and how long they are published before.
/// [`Config::key_policy`](crate::Config::key_policy) takes it, and opening refuses one that breaks a rule.
///
/// ```
/// use std::time::Duration;
/// use agentidp_core::KeyPolicy;
/// let day = Duration::from_secs(24 * 3600);
/// let policy = KeyPolicy::default().rotate_every(30 * day).publish_before(2 * day);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    rotate_every: Duration,
    publish_before: Duration,
}

impl Default for KeyPolicy {
    /// A key for tokens signs for 90 days and is published a day before.
    fn default() -> KeyPolicy {
        KeyPolicy { rotate_every: limits::KEY_ROTATION, publish_before: limits::KEY_LEAD }
    }
}

impl KeyPolicy {
    /// For how long a key for tokens signs: from 6 hours to 10 years, and not for less time than the
    /// next one is published before.
    #[must_use]
    pub fn rotate_every(mut self, period: Duration) -> KeyPolicy {
        self.rotate_every = period;
        self
    }

    /// For how long a key is published before it signs: from 15 minutes to 30 days. It must be longer
    /// than anybody keeps a copy of the key set.
    #[must_use]
    pub fn publish_before(mut self, lead: Duration) -> KeyPolicy {
        self.publish_before = lead;
        self
    }

    /// Checks everything.
    pub(crate) fn build(self) -> Result<KeyPolicy, Invalid> {
        if !(limits::KEY_LEAD_MIN..=limits::KEY_LEAD_MAX).contains(&self.publish_before) {
            return Err(Invalid::new("publishBefore", "15 minutes to 30 days are expected"));
        }
        if !(limits::KEY_ROTATION_MIN..=limits::KEY_ROTATION_MAX).contains(&self.rotate_every) {
            return Err(Invalid::new("rotateEvery", "6 hours to 10 years are expected"));
        }
        if self.rotate_every < self.publish_before {
            return Err(Invalid::new(
                "rotateEvery",
                "shorter than the next key is published before",
            ));
        }
        Ok(self)
    }

    /// From when on `next` may sign.
    pub(crate) fn ready_at(&self, next: &SigningKey) -> Timestamp {
        next.created_at.plus(self.publish_before)
    }

    /// From when on a successor of `current` is to be published.
    fn succeed_at(&self, current: &SigningKey) -> Timestamp {
        let began = current.current_at.unwrap_or(current.created_at);
        began.plus(self.rotate_every.saturating_sub(self.publish_before))
    }
}

/// A key to be succeeded by a new one.
///
/// ```
/// use agentidp_core::{Alg, KeyRotation};
/// let rotation = KeyRotation::tokens(Alg::Rs256);
/// let in_a_hurry = KeyRotation::tokens(Alg::Es256).now();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRotation {
    pub(crate) kind: KeyKind,
    pub(crate) now: bool,
}

impl KeyRotation {
    /// The key for tokens of `alg`; the first one, where there is none.
    pub const fn tokens(alg: Alg) -> KeyRotation {
        KeyRotation::of(KeyPurpose::Token, alg)
    }

    /// The key of that purpose and algorithm. Documents are signed with ES256; the key of the audit
    /// log is not rotated.
    pub const fn of(purpose: KeyPurpose, alg: Alg) -> KeyRotation {
        KeyRotation { kind: KeyKind { purpose, alg }, now: false }
    }

    /// Lets the new key sign at once, before everybody who verifies can have fetched it: resource
    /// servers with an older copy of the key set refuse its tokens until they fetch it anew.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::{Alg, KeyRotation, KeyState};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let rotated = idp.rotate_key(KeyRotation::tokens(Alg::Es256).now())?;
    /// assert_eq!(rotated.key.state, KeyState::Current);
    /// assert!(rotated.retired.is_some_and(|old| idp.jwks().to_json().contains(&old)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn now(mut self) -> KeyRotation {
        self.now = true;
        self
    }
}

/// A step in the life of the keys: one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyStep {
    /// A key is made and published.
    Create(KeyKind),
    /// A key is made and signs at once.
    Replace { kind: KeyKind, retires: Option<String> },
    /// A published key begins to sign. `early` where it was not published for as long as it should be.
    Promote { kid: String, retires: Option<String>, early: bool },
    /// What remains of a key that nobody needs is destroyed.
    Remove { kid: String },
}

/// What a rotation comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyTurn {
    /// This is to be done.
    Step(KeyStep),
    /// The next key is published and must wait until then.
    Wait { kid: String, ready_at: Timestamp },
}

/// Why a key is not rotated or revoked.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_core::{Alg, KeyPurpose, KeyRefusal, KeyRotation, SigningKeyError};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// let refused = idp.rotate_key(KeyRotation::of(KeyPurpose::Audit, Alg::EdDsa)).unwrap_err();
/// assert!(matches!(refused, SigningKeyError::Refused(KeyRefusal::AuditKey)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// The key of the audit log has no successor.
    #[error(
        "the key of the audit log cannot be rotated or revoked: whoever verifies the log holds it"
    )]
    AuditKey,
    /// Documents are signed with ES256.
    #[error("documents are signed with ES256 alone")]
    DocumentAlg,
    /// So many keys are published that no further one is made.
    #[error("{0} keys for tokens are published already; they go when all that they signed expired")]
    TooMany(usize),
}

/// Decides on a rotation that somebody asks for.
pub(crate) fn rotate(
    keys: &[SigningKey],
    asked: KeyRotation,
    policy: &KeyPolicy,
    now: Timestamp,
) -> Result<KeyTurn, KeyRefusal> {
    let kind = asked.kind;
    match kind.purpose {
        KeyPurpose::Audit => return Err(KeyRefusal::AuditKey),
        KeyPurpose::Document if kind.alg != Alg::Es256 => return Err(KeyRefusal::DocumentAlg),
        KeyPurpose::Document | KeyPurpose::Token => {}
    }
    let retires = find(keys, kind, KeyState::Current).map(|key| key.kid.clone());
    if let Some(next) = find(keys, kind, KeyState::Next) {
        let (kid, ready_at) = (next.kid.clone(), policy.ready_at(next));
        let early = now < ready_at;
        return Ok(if early && !asked.now {
            KeyTurn::Wait { kid, ready_at }
        } else {
            KeyTurn::Step(KeyStep::Promote { kid, retires, early })
        });
    }
    room(keys)?;
    Ok(KeyTurn::Step(if asked.now {
        KeyStep::Replace { kind, retires }
    } else {
        KeyStep::Create(kind)
    }))
}

/// The step that is due by itself, if any. Taken one after the other, they end.
pub(crate) fn due(keys: &[SigningKey], policy: &KeyPolicy, now: Timestamp) -> Option<KeyStep> {
    for key in keys {
        let kind = key.kind();
        let next = find(keys, kind, KeyState::Next);
        match key.state {
            KeyState::Next if now >= policy.ready_at(key) => {
                let retires = find(keys, kind, KeyState::Current).map(|key| key.kid.clone());
                return Some(KeyStep::Promote { kid: key.kid.clone(), retires, early: false });
            }
            KeyState::Current
                if key.purpose == KeyPurpose::Token
                    && next.is_none()
                    && now >= policy.succeed_at(key)
                    && room(keys).is_ok() =>
            {
                return Some(KeyStep::Create(kind));
            }
            KeyState::Retired | KeyState::Revoked
                if key.gone_at().is_some_and(|gone_at| now >= gone_at) =>
            {
                return Some(KeyStep::Remove { kid: key.kid.clone() });
            }
            _ => {}
        }
    }
    None
}

/// Who takes over when a key is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Successor {
    /// Nobody: it did not sign, or was revoked already.
    Nobody,
    /// The next key, however short a time it was published.
    Next { kid: String, early: bool },
    /// A new key.
    New(KeyKind),
}

/// Decides on the revocation of `key`.
pub(crate) fn revoke(
    keys: &[SigningKey],
    key: &SigningKey,
    policy: &KeyPolicy,
    now: Timestamp,
) -> Result<Successor, KeyRefusal> {
    if key.purpose == KeyPurpose::Audit {
        return Err(KeyRefusal::AuditKey);
    }
    if key.state != KeyState::Current {
        return Ok(Successor::Nobody);
    }
    Ok(match find(keys, key.kind(), KeyState::Next) {
        Some(next) => Successor::Next { kid: next.kid.clone(), early: now < policy.ready_at(next) },
        None => Successor::New(key.kind()),
    })
}

/// Whether one more key for tokens may be published. A key set has an end, and those who verify read
/// no longer ones.
fn room(keys: &[SigningKey]) -> Result<(), KeyRefusal> {
    let published =
        keys.iter().filter(|key| key.purpose == KeyPurpose::Token && key.is_published()).count();
    if published < limits::PUBLISHED_KEYS_MAX {
        Ok(())
    } else {
        Err(KeyRefusal::TooMany(published))
    }
}

/// The key of that kind in that state, of which there is one at most.
fn find(keys: &[SigningKey], kind: KeyKind, state: KeyState) -> Option<&SigningKey> {
    keys.iter().find(|key| key.kind() == kind && key.state == state)
}

#[cfg(test)]
mod tests;
