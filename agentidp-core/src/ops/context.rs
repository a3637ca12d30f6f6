//! What every verb needs at hand.

use std::sync::{Arc, PoisonError, RwLock};

use crate::base::{Clock, EventId, OrgId, Rng, Timestamp};
use crate::crypto::{Alg, CryptoProvider};
use crate::model::Issuer;
use crate::store::{Scope, Store, StoreError};

use super::clients::Clients;
use super::error::Fault;
use super::keyring::Keyring;
use super::quota::Quotas;
use super::refusals::RefusalLimit;
use super::signing::SigningKeys;

/// An open instance.
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: CryptoProvider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) issuer: Issuer,
    pub(crate) token_alg: Alg,
    pub(super) keyring: Keyring,
    pub(super) clients: Clients,
    pub(super) refusals: RefusalLimit,
    pub(super) quotas: Quotas,
    signing: RwLock<Arc<SigningKeys>>,
}

/// What a context is made of.
pub(super) struct Parts {
    pub(super) store: Arc<dyn Store>,
    pub(super) provider: CryptoProvider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) issuer: Issuer,
    pub(super) token_alg: Alg,
    pub(super) keyring: Keyring,
}

impl Context {
    pub(super) fn new(parts: Parts) -> Result<Context, Fault> {
        let signing = SigningKeys::load(&parts)?;
        let Parts { store, provider, clock, rng, issuer, token_alg, keyring } = parts;
        Ok(Context {
            store,
            provider,
            clock,
            rng,
            issuer,
            token_alg,
            keyring,
            clients: Clients::default(),
            refusals: RefusalLimit::default(),
            quotas: Quotas::default(),
            signing: RwLock::new(Arc::new(signing)),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn event_id(&self) -> Result<EventId, Fault> {
        Ok(EventId::generate(&*self.clock, &*self.rng)?)
    }

    /// The instance's keys, as they were last read.
    pub(crate) fn signing(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.signing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the instance's keys again.
    pub(super) fn reload_signing(&self) -> Result<(), Fault> {
        let keys = SigningKeys::read(
            &*self.store,
            &self.keyring,
            &self.provider,
            &self.issuer,
            &self.clock,
        )?;
        *self.signing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
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
