//! The instance's keys, and its background work.

use crate::base::OrgId;
use crate::model::{KeyRotation, SigningKey};
use crate::ops::{self, Acting, RevokedKey, RotatedKey, SigningKeyError, Tick};

use super::Idp;

impl Idp {
    /// All keys of the instance, the oldest first: those for tokens, for documents, and for the audit
    /// log. Those that are gone are in the trail of the `system` organization.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::KeyPurpose;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let keys = idp.keys()?;
    /// assert!(KeyPurpose::ALL.iter().all(|purpose| keys.iter().any(|key| key.purpose == *purpose)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SigningKeyError`] when the caller may not manage keys.
    pub fn keys(&self) -> Result<Vec<SigningKey>, SigningKeyError> {
        self.as_system(ops::keys::list)
    }

    /// Takes the next step of a rotation. The first call makes a key and publishes it; it signs once it
    /// was published for the time of the [`KeyPolicy`](crate::KeyPolicy), which [`Idp::tick`] sees to,
    /// or a later call. Until then a further call answers the same key.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::{Alg, KeyRotation, KeyState};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let next = idp.rotate_key(KeyRotation::tokens(Alg::Es256))?;
    /// assert_eq!(next.key.state, KeyState::Next);
    /// assert!(idp.jwks().to_json().contains(&next.key.kid));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SigningKeyError`] when keys of that kind are not rotated, too many are published, or the
    /// caller may not manage keys.
    pub fn rotate_key(&self, rotation: KeyRotation) -> Result<RotatedKey, SigningKeyError> {
        self.as_system(|acting| ops::keys::rotate(acting, rotation))
    }

    /// Withdraws a key at once: it is published no more, its private half is destroyed, and this
    /// instance accepts none of its tokens. Other processes notice within
    /// [`limits::KEYS_STALE_MAX`](crate::base::limits::KEYS_STALE_MAX); those who verify elsewhere do
    /// when their copy of the key set expires.
    ///
    /// Where the key signed, its successor takes over in the same transaction, even if it was published
    /// just now: those who verify refuse its tokens until they fetch the key set anew. The alternative
    /// would be to issue none.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::{KeyPurpose, KeyState};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let key = idp.keys()?.into_iter().find(|key| key.purpose == KeyPurpose::Token);
    /// let kid = key.map(|key| key.kid).unwrap_or_default();
    /// let revoked = idp.revoke_key(&kid)?;
    /// assert_eq!(revoked.key.state, KeyState::Revoked);
    /// assert!(revoked.successor.is_some_and(|key| key.state == KeyState::Current));
    /// assert!(!idp.jwks().to_json().contains(&kid));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SigningKeyError`] when there is no such key, it is that of the audit log, or the caller may not
    /// manage keys.
    pub fn revoke_key(&self, kid: &str) -> Result<RevokedKey, SigningKeyError> {
        self.as_system(|acting| ops::keys::revoke(acting, kid))
    }

    /// Does what is due in the background, and tells what it did: turns the keys, removes those that
    /// nobody needs any more, forgets revoked tokens that have expired, returns what is set aside of
    /// month quotas and not used, numbers audit entries. Call it every minute or so; any number of
    /// processes may. An instance that is never ticked goes on issuing, with the keys that it has.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let done = idp.tick()?;
    /// assert!(done.keys.is_empty(), "nothing is due in a new instance");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SigningKeyError`] of the first unit that failed; the others were done.
    pub fn tick(&self) -> Result<Tick, SigningKeyError> {
        self.as_system(ops::tick::tick)
    }

    fn as_system<T>(&self, verb: impl FnOnce(&Acting<'_>) -> T) -> T {
        let system = OrgId::system();
        verb(&Acting { context: &self.context, organization: &system, caller: &self.caller })
    }
}
