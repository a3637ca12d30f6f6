//! What every verb needs at hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::base::{Clock, EventId, OrgId, Rng, Timestamp, limits};
use crate::crypto::{Alg, CryptoProvider};
use crate::model::{Client, Issuer, KeyPolicy, RateLimit, RateLimited};
use crate::policy::Rules;
use crate::store::{Scope, Store, StoreError, installation, signing_keys};

use super::clients::Clients;
use super::dpop::ProofsSeen;
use super::error::Fault;
use super::keyring::Keyring;
use super::quota::Quotas;
use super::refusals::RefusalLimit;
use super::signing::{Opener, SigningKeys};

/// An open instance.
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: CryptoProvider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) issuer: Issuer,
    pub(crate) token_alg: Alg,
    pub(crate) key_policy: KeyPolicy,
    pub(super) rules: Rules,
    pub(super) keyring: Keyring,
    pub(super) clients: Clients,
    pub(super) refusals: RefusalLimit,
    pub(super) quotas: Quotas,
    pub(super) proofs_seen: ProofsSeen,
    rate_limit: OnceLock<Box<RateLimit>>,
    signing: RwLock<Arc<SigningKeys>>,
    /// When it was last asked whether the keys changed, in microseconds.
    signing_asked_at: AtomicI64,
    signing_asking: Mutex<()>,
}

/// What a context is made of.
pub(super) struct Parts {
    pub(super) store: Arc<dyn Store>,
    pub(super) provider: CryptoProvider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) issuer: Issuer,
    pub(super) token_alg: Alg,
    pub(super) key_policy: KeyPolicy,
    pub(super) rules: Rules,
    pub(super) keyring: Keyring,
}

impl Context {
    pub(super) fn new(parts: Parts) -> Result<Context, Fault> {
        let asked_at = parts.clock.now().as_micros();
        let signing = SigningKeys::load(&parts)?;
        let Parts { store, provider, clock, rng, issuer, token_alg, key_policy, rules, keyring } =
            parts;
        Ok(Context {
            store,
            provider,
            clock,
            rng,
            issuer,
            token_alg,
            key_policy,
            rules,
            keyring,
            clients: Clients::default(),
            refusals: RefusalLimit::default(),
            quotas: Quotas::default(),
            proofs_seen: ProofsSeen::default(),
            rate_limit: OnceLock::new(),
            signing: RwLock::new(Arc::new(signing)),
            signing_asked_at: AtomicI64::new(asked_at),
            signing_asking: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a client's tokens are signed by: its own choice, or the instance's.
    pub(super) fn token_alg_of(&self, client: &Client) -> Alg {
        client.token_alg.unwrap_or(self.token_alg)
    }

    pub(super) fn event_id(&self) -> Result<EventId, Fault> {
        Ok(EventId::generate(&*self.clock, &*self.rng)?)
    }

    /// Lets `limit` decide who may send one more request. The first one given stays.
    pub(crate) fn limit_rate(&self, limit: Box<RateLimit>) {
        let _ = self.rate_limit.set(limit);
    }

    /// One more request of an organization, which has proven to be its own.
    pub(super) fn count(&self, of: &OrgId, per_minute_max: i64) -> Result<(), RateLimited> {
        self.rate_limit.get().map_or(Ok(()), |limit| limit(of, per_minute_max))
    }

    /// The instance's keys, as they were last read.
    pub(crate) fn signing(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.signing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The instance's keys, at most [`limits::KEYS_STALE_MAX`] older than those in the database.
    pub(crate) fn fresh_signing(&self) -> Result<Arc<SigningKeys>, Fault> {
        let stale = |now| is_stale(self.signing_asked_at.load(Ordering::SeqCst), now);
        if stale(self.now().as_micros()) {
            // One thread asks, and the others wait: keys that are older nobody believes.
            let _asking = self.signing_asking.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.now().as_micros();
            if stale(now) {
                self.reload_signing()?;
                self.signing_asked_at.store(now, Ordering::SeqCst);
            }
        }
        Ok(self.signing())
    }

    /// As [`fresh_signing`](Self::fresh_signing); where the database cannot be asked, the keys that it
    /// last told.
    pub(crate) fn known_signing(&self) -> Arc<SigningKeys> {
        self.fresh_signing().unwrap_or_else(|_| self.signing())
    }

    /// The instance's keys, if it need not be asked whether they changed.
    pub(crate) fn fresh_signing_at_hand(&self) -> Option<Arc<SigningKeys>> {
        let asked_at = self.signing_asked_at.load(Ordering::SeqCst);
        (!is_stale(asked_at, self.now().as_micros())).then(|| self.signing())
    }

    /// Reads the keys again after a change that is committed. Where that fails it is done when they are
    /// next asked for: the change itself is not undone.
    pub(super) fn keys_changed(&self) {
        self.signing_asked_at.store(0, Ordering::SeqCst);
        let _ = self.reload_signing();
    }

    /// Reads the instance's keys again if they changed.
    pub(super) fn reload_signing(&self) -> Result<(), Fault> {
        let version = self.store.read(&Scope::Instance, signing_keys::version)?;
        let before = self.signing();
        if version == before.version {
            return Ok(());
        }
        let opener = Opener {
            store: &*self.store,
            keyring: &self.keyring,
            provider: &self.provider,
            issuer: &self.issuer,
            clock: &self.clock,
        };
        let keys = SigningKeys::read(&opener, Some(&before))?;
        let mut signing = self.signing.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have read later and finished sooner.
        if keys.version > signing.version {
            *signing = Arc::new(keys);
        }
        Ok(())
    }

    /// That the database answers, has the schema that was opened, and that there is a key to sign
    /// tokens with.
    pub(crate) fn probe(&self) -> Result<(), Fault> {
        self.store.read(&Scope::Instance, installation::check_schema)?;
        self.reload_signing()?;
        let signing = self.signing();
        let kid = signing.token(self.token_alg)?.access_token.kid();
        // A token is recorded only while its key's row is the current one, and whoever took that away by
        // hand has counted no change. The version last: a key that was rotated meanwhile is not missed.
        // One that went back is that of a backup.
        let missing = self.store.read::<_, StoreError>(&Scope::Instance, |tx| {
            Ok(!signing_keys::is_current(tx, kid)? && signing_keys::version(tx)? <= signing.version)
        })?;
        if missing { Err(Fault::MissingKey("token signing")) } else { Ok(()) }
    }

    /// Lets go of the keys and the clients of an organization that was deleted.
    pub(super) fn forget_organization(&self, organization: &OrgId) {
        self.keyring.forget(organization);
        self.clients.forget_all_of(organization);
    }

    /// The organization that `public_id` belongs to.
    pub(super) fn organization_of(
        &self,
        kind: crate::store::instance::PublicIdKind,
        public_id: &str,
    ) -> Result<Option<OrgId>, StoreError> {
        self.store.read(&Scope::Instance, |tx| {
            crate::store::instance::organization_of(tx, kind, public_id)
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.quotas.close(self);
    }
}

/// Whether it is to be asked again, both times in microseconds. A clock that was set back tells
/// nothing about the time that passed.
fn is_stale(asked_at: i64, now: i64) -> bool {
    let age = u64::try_from(now.saturating_sub(asked_at)).unwrap_or(u64::MAX);
    u128::from(age) >= limits::KEYS_STALE_MAX.as_micros()
}
