//! The instance's keys of the model: which one signs, which are published, and which are gone.

use agentidp_core::base::limits;
use agentidp_core::crypto::Alg;
use agentidp_core::{
    ErrorCode, Idp, KeyEvent, KeyPurpose, KeyRotation, KeyState, SigningKey, SigningKeyError,
};

use super::{Model, told};

/// For how long a key is published before it signs, and after the last time that it could have.
const LEAD: u64 = limits::KEY_LEAD.as_secs();
const RETENTION: u64 = limits::KEY_RETENTION.as_secs();
/// How long after a key ceased to sign another process may believe that it could, at most.
const LEASE: u64 = limits::SIGNING_LEASE.as_secs();

/// A key for tokens.
struct Key {
    kid: String,
    alg: Alg,
    state: KeyState,
    made_at: u64,
    /// When it ceased to be of use, if it did.
    ended_at: u64,
    gone: bool,
}

impl Key {
    fn is_published(&self) -> bool {
        !self.gone && self.state != KeyState::Revoked
    }
}

/// All keys for tokens that there ever were, the oldest first.
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// Those of a new instance.
    pub(super) fn of(idp: &Idp) -> Keys {
        let mut keys = Keys(Vec::new());
        for SigningKey { kid, alg, state, .. } in of_tokens(idp) {
            assert_eq!(state, KeyState::Current);
            keys.0.push(Key { kid, alg, state, made_at: 0, ended_at: 0, gone: false });
        }
        keys
    }

    fn find(&self, alg: Alg, state: KeyState) -> Option<usize> {
        self.0.iter().position(|key| !key.gone && key.alg == alg && key.state == state)
    }

    /// The name of the key that signs with the algorithm.
    pub(super) fn current(&self, alg: Alg) -> &str {
        let at = self.find(alg, KeyState::Current).expect("there is always one");
        &self.0[at].kid
    }

    pub(super) fn is_published(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid && key.is_published())
    }

    /// A key is made, which does not sign yet.
    fn make(&mut self, alg: Alg, kid: &str, now: u64) -> usize {
        assert!(self.0.iter().all(|key| key.kid != kid), "a new key");
        let (kid, state) = (kid.to_owned(), KeyState::Next);
        self.0.push(Key { kid, alg, state, made_at: now, ended_at: 0, gone: false });
        self.0.len() - 1
    }

    /// A key begins to sign, and the one that did retires.
    fn promote(&mut self, at: usize, now: u64) -> Option<String> {
        let old = self.find(self.0[at].alg, KeyState::Current);
        self.0[at].state = KeyState::Current;
        let old = &mut self.0[old?];
        (old.state, old.ended_at) = (KeyState::Retired, now);
        Some(old.kid.clone())
    }

    /// A key is removed: not before all that it may have signed is over.
    fn remove(&mut self, kid: &str, now: u64) {
        let key = self.0.iter_mut().find(|key| key.kid == kid && !key.gone).expect("a key");
        assert!(matches!(key.state, KeyState::Retired | KeyState::Revoked), "{kid}");
        assert!(now >= key.ended_at + RETENTION, "{kid} is removed too soon");
        key.gone = true;
    }

    /// Whether a key is still there that should have been removed.
    fn is_overdue(&self, now: u64) -> bool {
        self.0.iter().any(|key| {
            let ended = matches!(key.state, KeyState::Retired | KeyState::Revoked);
            ended && !key.gone && now >= key.ended_at + LEASE + RETENTION
        })
    }
}

/// The instance's own keys for tokens.
fn of_tokens(idp: &Idp) -> Vec<SigningKey> {
    let mut keys = idp.keys().unwrap();
    keys.retain(|key| key.purpose == KeyPurpose::Token);
    keys
}

impl Model {
    /// Takes the next step of a rotation: a key is published, waits, and signs.
    pub(super) fn rotate_key(&mut self, eddsa: bool, hurry: bool) {
        let alg = if eddsa { Alg::EdDsa } else { Alg::Es256 };
        let rotation = KeyRotation::tokens(alg);
        let done = self.test.idp.rotate_key(if hurry { rotation.now() } else { rotation });
        let next = self.signing.find(alg, KeyState::Next);
        let published = self.signing.0.iter().filter(|key| key.is_published()).count();
        if next.is_none() && published >= limits::PUBLISHED_KEYS_MAX {
            assert_eq!(told(&done, SigningKeyError::code), Err(ErrorCode::LimitReached));
            return;
        }
        let done = done.unwrap();
        let waited = |next: usize| self.now >= self.signing.0[next].made_at + LEAD;
        let signs = hurry || next.is_some_and(waited);
        let at = next.unwrap_or_else(|| self.signing.make(alg, &done.key.kid, self.now));
        let retired = if signs { self.signing.promote(at, self.now) } else { None };
        let key = &self.signing.0[at];
        assert_eq!((&done.key.kid, done.key.state), (&key.kid, key.state));
        assert_eq!(done.retired, retired);
    }

    /// Withdraws a key at once, and with it all tokens that it signed. Where it signed, another does.
    pub(super) fn revoke_key(&mut self, place: usize) {
        let at = place % self.signing.0.len();
        let Key { kid, alg, state, gone, .. } = &self.signing.0[at];
        let (kid, alg, state, gone) = (kid.clone(), *alg, *state, *gone);
        let done = self.test.idp.revoke_key(&kid);
        if gone {
            assert_eq!(told(&done, SigningKeyError::code), Err(ErrorCode::NotFound));
            return;
        }
        let done = done.unwrap();
        assert_eq!((&done.key.kid, done.key.state), (&kid, KeyState::Revoked));
        assert_eq!(done.successor.is_some(), state == KeyState::Current);
        if state == KeyState::Revoked {
            return;
        }
        let key = &mut self.signing.0[at];
        (key.state, key.ended_at) = (KeyState::Revoked, self.now);
        self.end_tokens(|token| token.kid == kid);
        let Some(successor) = done.successor else { return };
        let next = self.signing.find(alg, KeyState::Next);
        let next = next.unwrap_or_else(|| self.signing.make(alg, &successor.kid, self.now));
        self.signing.promote(next, self.now);
        assert_eq!(successor.kid, self.signing.current(alg));
        assert_eq!(successor.state, KeyState::Current);
    }

    /// What is due in the background: keys that waited sign, and what nobody needs is forgotten.
    pub(super) fn tick(&mut self) {
        let done = self.test.idp.tick().unwrap();
        assert_eq!(done.answers_forgotten, self.forget_answers());
        let mut expected = Vec::new();
        for alg in [Alg::Es256, Alg::EdDsa] {
            let Some(next) = self.signing.find(alg, KeyState::Next) else { continue };
            if self.now < self.signing.0[next].made_at + LEAD {
                continue;
            }
            let retired = self.signing.promote(next, self.now);
            expected.extend(retired.map(|old| (old, KeyEvent::Retired)));
            expected.push((self.signing.0[next].kid.clone(), KeyEvent::Rotated));
        }
        let changes = done.keys.into_iter().map(|change| (change.kid, change.event));
        let (removed, mut turned): (Vec<_>, Vec<_>) =
            changes.partition(|(_, event)| *event == KeyEvent::Removed);
        // Which algorithm is first is nobody's business.
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        turned.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(turned, expected);
        for (kid, _) in removed {
            self.signing.remove(&kid, self.now);
        }
        assert!(!self.signing.is_overdue(self.now), "a key that nobody needs is removed");
    }

    /// The keys that are listed and published are those of the model, and with them those of all tokens
    /// that may still be used.
    pub(super) fn signing_agrees(&self) {
        let listed = of_tokens(&self.test.idp).into_iter().map(|key| (key.kid, key.state));
        let mut listed: Vec<_> = listed.collect();
        let own = self.signing.0.iter().filter(|key| !key.gone);
        let mut own: Vec<_> = own.map(|key| (key.kid.clone(), key.state)).collect();
        listed.sort();
        own.sort();
        assert_eq!(listed, own);
        own.retain(|(_, state)| *state != KeyState::Revoked);
        let jwks = self.test.idp.jwks();
        let mut published: Vec<_> = jwks.keys().iter().filter_map(|key| key.kid()).collect();
        published.sort_unstable();
        assert_eq!(published, own.iter().map(|(kid, _)| kid.as_str()).collect::<Vec<_>>());
        for token in self.tokens.iter().filter(|token| self.is_active(token)) {
            assert!(published.contains(&token.kid.as_str()), "the key of a live token");
        }
    }
}
