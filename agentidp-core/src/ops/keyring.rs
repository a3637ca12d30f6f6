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
        let wrapped_key =
            seal(&self.root, &place_of_key(organization, key.id()), key.key().expose(), rng)?;
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
        store.read(&Scope::Org(organization.clone()), |tx| self.load(tx, organization))?;
        self.read().active.get(&place).cloned().ok_or(Fault::MissingKey(purpose.as_str()))
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
                self.load(tx, place.organization_id)?;
                self.read().by_id.get(&id).cloned().ok_or(Fault::MissingKey("data"))?
            }
        };
        Ok(open(&key, place, sealed)?)
    }

    /// Opens a sealed value whose data key was loaded before.
    pub(super) fn open_loaded(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretBytes, Fault> {
        let key = self.read().by_id.get(&data_key_id(sealed)?).cloned();
        Ok(open(&*key.ok_or(Fault::MissingKey("data"))?, place, sealed)?)
    }

    fn load(&self, tx: &mut dyn Tx, organization: &OrgId) -> Result<(), Fault> {
        let rows = orgs::data_keys(tx)?;
        let mut keys = self.data_keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.by_id.len() > limits::CLIENT_CACHE_MAX {
            *keys = DataKeys::default();
        }
        for row in rows {
            let key = open(&self.root, &place_of_key(organization, &row.id), &row.wrapped_key)?;
            let key = Arc::new(DataKey::new(row.id.clone(), key)?);
            if row.active {
                keys.active.insert((organization.clone(), row.purpose), Arc::clone(&key));
            }
            keys.by_id.insert(row.id, key);
        }
        Ok(())
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

fn place_of_key<'a>(organization: &'a OrgId, id: &'a DataKeyId) -> Place<'a> {
    Place {
        organization_id: organization,
        table: "data_keys",
        column: "wrapped_key",
        row: id.as_str(),
    }
}
