//! The key hierarchy: KEK, the instance's root key, one data key for each organization and purpose.
//!
//! The KEK unwraps the root key when the instance is opened and is then let go. Data keys are
//! unwrapped when they are first needed and kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use crate::base::{Clock, DataKeyId, OrgId, Rng, SecretBytes, limits};
use crate::crypto::{DataKey, Place, data_key_id, open, seal};
use crate::store::orgs::{self, DataKeyPurpose, DataKeyRow};
use crate::store::{Scope, Store, Tx};

use super::error::Fault;

pub(super) struct Keyring {
    root: DataKey,
    data_keys: RwLock<DataKeys>,
    peppers: RwLock<BTreeMap<i64, [u8; 32]>>,
}

#[derive(Default)]
struct DataKeys {
    active: HashMap<(OrgId, DataKeyPurpose), Arc<DataKey>>,
    by_id: HashMap<DataKeyId, Arc<DataKey>>,
}

/// A data key as it was just read.
struct Loaded {
    active_for: Option<DataKeyPurpose>,
    key: Arc<DataKey>,
}

impl Keyring {
    pub(super) fn new(root: DataKey) -> Keyring {
        Keyring { root, data_keys: RwLock::default(), peppers: RwLock::default() }
    }

    /// A new data key, and the row that keeps it.
    pub(super) fn generate(
        &self,
        organization: &OrgId,
        purpose: DataKeyPurpose,
        clock: &dyn Clock,
        rng: &dyn Rng,
    ) -> Result<(Arc<DataKey>, DataKeyRow), Fault> {
        let key = DataKey::generate(DataKeyId::generate(clock, rng)?, rng)?;
        let wrapped_key = seal(
            &self.root,
            &place_of_key(organization, purpose, key.id()),
            key.key().expose(),
            rng,
        )?;
        let row = DataKeyRow { id: key.id().clone(), purpose, active: true, wrapped_key };
        Ok((Arc::new(key), row))
    }

    /// The key that seals `organization`'s data of `purpose`.
    pub(super) fn active(
        &self,
        store: &dyn Store,
        organization: &OrgId,
        purpose: DataKeyPurpose,
    ) -> Result<Arc<DataKey>, Fault> {
        let place = (organization.clone(), purpose);
        if let Some(key) = self.read().active.get(&place) {
            return Ok(Arc::clone(key));
        }
        let scope = Scope::Org(organization.clone());
        let loaded = store.read(&scope, |tx| self.load(tx, organization))?;
        let active = loaded.into_iter().find(|loaded| loaded.active_for == Some(purpose));
        active.map(|loaded| loaded.key).ok_or(Fault::MissingKey(purpose.as_str()))
    }

    /// Opens a sealed value of the transaction's organization.
    pub(super) fn open(
        &self,
        tx: &mut dyn Tx,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretBytes, Fault> {
        let id = data_key_id(sealed)?;
        let known = self.read().by_id.get(&id).cloned();
        let key = match known {
            Some(key) => key,
            None => {
                let loaded = self.load(tx, place.organization_id)?;
                let known = loaded.into_iter().find(|loaded| *loaded.key.id() == id);
                known.map(|loaded| loaded.key).ok_or(Fault::MissingKey("data"))?
            }
        };
        Ok(open(&key, place, sealed)?)
    }

    /// Unwraps the organization's data keys, keeps them, and returns them: what is kept may be
    /// forgotten again at any time to make room.
    fn load(&self, tx: &mut dyn Tx, organization: &OrgId) -> Result<Vec<Loaded>, Fault> {
        let mut loaded = Vec::new();
        for row in orgs::data_keys(tx)? {
            let key = open(
                &self.root,
                &place_of_key(organization, row.purpose, &row.id),
                &row.wrapped_key,
            )?;
            let key = Arc::new(DataKey::new(row.id, key)?);
            loaded.push(Loaded { active_for: row.active.then_some(row.purpose), key });
        }
        let mut keys = self.data_keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.by_id.len() > limits::CLIENT_CACHE_MAX {
            *keys = DataKeys::default();
        }
        for Loaded { active_for, key } in &loaded {
            if let Some(purpose) = active_for {
                keys.active.insert((organization.clone(), *purpose), Arc::clone(key));
            }
            keys.by_id.insert(key.id().clone(), Arc::clone(key));
        }
        Ok(loaded)
    }

    /// Takes over a pepper that was opened.
    pub(super) fn add_pepper(&self, version: i64, pepper: [u8; 32]) {
        self.peppers.write().unwrap_or_else(PoisonError::into_inner).insert(version, pepper);
    }

    /// The pepper of that version.
    pub(super) fn pepper(&self, version: i64) -> Option<[u8; 32]> {
        self.peppers.read().unwrap_or_else(PoisonError::into_inner).get(&version).copied()
    }

    /// The newest pepper, which new secrets are kept under.
    pub(super) fn newest_pepper(&self) -> Option<(i64, [u8; 32])> {
        let peppers = self.peppers.read().unwrap_or_else(PoisonError::into_inner);
        peppers.last_key_value().map(|(version, pepper)| (*version, *pepper))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, DataKeys> {
        self.data_keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wrapped data key opens for its purpose alone, or shredding one kind of data could be defeated
/// by a change of the row.
fn place_of_key<'a>(
    organization_id: &'a OrgId,
    purpose: DataKeyPurpose,
    id: &'a DataKeyId,
) -> Place<'a> {
    Place { organization_id, table: "data_keys", column: purpose.as_str(), row: id.as_str() }
}
