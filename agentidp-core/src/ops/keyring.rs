//! The key hierarchy: KEK, the instance's root key, one data key for each organization and purpose.
//!
//! The KEK unwraps the root key when the instance is opened and is then let go. Data keys are
//! unwrapped when they are first needed and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::base::{Clock, DataKeyId, OrgId, Rng, SecretBytes, limits};
use crate::crypto::{DataKey, Place, data_key_id, open, seal};
use crate::store::orgs::{self, DataKeyPurpose, DataKeyRow};
use crate::store::{Scope, Store, Tx};

use super::error::Fault;
use super::second_chance::SecondChance;

pub(super) struct Keyring {
    root: DataKey,
    /// Those of the organizations that were asked for lately.
    data_keys: SecondChance<OrgId, Arc<[Loaded]>>,
    peppers: RwLock<BTreeMap<i64, [u8; 32]>>,
}

/// A data key as it was read.
struct Loaded {
    active_for: Option<DataKeyPurpose>,
    key: Arc<DataKey>,
}

impl Keyring {
    pub(super) fn new(root: DataKey) -> Keyring {
        let data_keys = SecondChance::new(limits::CLIENT_CACHE_MAX);
        Keyring { root, data_keys, peppers: RwLock::default() }
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
        let active = |loaded: &Loaded| loaded.active_for == Some(purpose);
        if let Some(key) = self.known(organization, active) {
            return Ok(key);
        }
        let scope = Scope::Org(organization.clone());
        let loaded = store.read(&scope, |tx| self.load(tx, organization))?;
        find(&loaded, active).ok_or(Fault::MissingKey(purpose.as_str()))
    }

    /// Opens a sealed value of the transaction's organization.
    pub(super) fn open(
        &self,
        tx: &mut dyn Tx,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretBytes, Fault> {
        let id = data_key_id(sealed)?;
        let named = |loaded: &Loaded| *loaded.key.id() == id;
        let key = match self.known(place.organization_id, named) {
            Some(key) => key,
            None => {
                let loaded = self.load(tx, place.organization_id)?;
                find(&loaded, named).ok_or(Fault::MissingKey("data"))?
            }
        };
        Ok(open(&key, place, sealed)?)
    }

    /// Unwraps the organization's data keys, keeps them, and returns them: what is kept may be
    /// forgotten again at any time to make room.
    fn load(&self, tx: &mut dyn Tx, organization: &OrgId) -> Result<Arc<[Loaded]>, Fault> {
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
        let loaded: Arc<[Loaded]> = loaded.into();
        self.data_keys.keep(organization.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The key that `wanted` names, if it was read.
    fn known(
        &self,
        organization: &OrgId,
        wanted: impl Fn(&Loaded) -> bool,
    ) -> Option<Arc<DataKey>> {
        find(&self.data_keys.get(organization)?, wanted)
    }

    /// Lets go of the keys of an organization whose own were destroyed.
    pub(super) fn forget(&self, organization: &OrgId) {
        self.data_keys.forget(organization);
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
}

fn find(keys: &[Loaded], wanted: impl Fn(&Loaded) -> bool) -> Option<Arc<DataKey>> {
    keys.iter().find(|loaded| wanted(loaded)).map(|loaded| Arc::clone(&loaded.key))
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

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use super::*;
    use crate::base::{SystemClock, SystemRng, Timestamp};
    use crate::crypto::SealError;
    use crate::model::NewOrg;
    use crate::store::{SqliteStore, StoreError};

    fn organization(store: &dyn Store, keyring: &Keyring, slug: &str) -> OrgId {
        let id = OrgId::generate(&SystemClock, &SystemRng).unwrap();
        let org = NewOrg::new(slug).build(id.clone(), Timestamp::from_seconds(0)).unwrap();
        let purpose = DataKeyPurpose::Credentials;
        let (_, key) = keyring.generate(&id, purpose, &SystemClock, &SystemRng).unwrap();
        let made = store.write::<_, StoreError>("test", &Scope::Org(id.clone()), |tx| {
            orgs::insert(tx, &org)?;
            orgs::insert_data_key(tx, &key, org.created_at)
        });
        made.unwrap();
        id
    }

    /// Stores a further data key of the organization.
    fn insert(store: &dyn Store, organization: &OrgId, key: &DataKeyRow) {
        let inserted =
            store.write::<_, StoreError>("test", &Scope::Org(organization.clone()), |tx| {
                orgs::insert_data_key(tx, key, Timestamp::from_seconds(0))
            });
        inserted.unwrap();
    }

    fn keyring() -> Keyring {
        let root = DataKeyId::generate(&SystemClock, &SystemRng).unwrap();
        Keyring::new(DataKey::generate(root, &SystemRng).unwrap())
    }

    fn place(organization_id: &OrgId) -> Place<'_> {
        Place { organization_id, table: "t", column: "c", row: "r" }
    }

    #[test]
    fn what_is_sealed_for_a_purpose_names_the_key_of_that_purpose() {
        let store: &dyn Store = &SqliteStore::open_in_memory().unwrap();
        let keyring = keyring();
        let acme = organization(store, &keyring, "acme");
        for purpose in DataKeyPurpose::ALL {
            // It has one of them already.
            if purpose != DataKeyPurpose::Credentials {
                let made = keyring.generate(&acme, purpose, &SystemClock, &SystemRng).unwrap();
                insert(store, &acme, &made.1);
            }
        }
        let scope = Scope::Org(acme.clone());
        let rows = store.read::<_, StoreError>(&scope, orgs::data_keys).unwrap();
        assert_eq!(rows.len(), DataKeyPurpose::ALL.len());
        // Once read from the rows, and once as they were kept.
        for row in rows.iter().chain(&rows) {
            let active = keyring.active(store, &acme, row.purpose).unwrap();
            let sealed = seal(&active, &place(&acme), b"x", &SystemRng).unwrap();
            assert_eq!(data_key_id(&sealed).unwrap(), row.id, "{:?}", row.purpose);
        }
    }

    #[test]
    fn a_wrapped_key_opens_for_its_purpose_alone() {
        let store: &dyn Store = &SqliteStore::open_in_memory().unwrap();
        let keyring = keyring();
        let acme = organization(store, &keyring, "acme");
        let purpose = DataKeyPurpose::Answers;
        let (_, mut moved) = keyring.generate(&acme, purpose, &SystemClock, &SystemRng).unwrap();
        moved.purpose = DataKeyPurpose::Keys;
        insert(store, &acme, &moved);
        let opened = keyring.active(store, &acme, DataKeyPurpose::Keys);
        assert!(matches!(opened, Err(Fault::Seal(SealError::Broken))));
    }

    #[test]
    fn a_destroyed_key_is_gone_once_it_is_forgotten() {
        let store: &dyn Store = &SqliteStore::open_in_memory().unwrap();
        let keyring = keyring();
        let [doomed, kept] = ["acme", "globex"].map(|slug| organization(store, &keyring, slug));
        let active = |id: &OrgId| keyring.active(store, id, DataKeyPurpose::Credentials);
        let sealed = seal(&active(&doomed).unwrap(), &place(&doomed), b"x", &SystemRng).unwrap();
        let of_other = active(&kept).unwrap();
        let opened = |id: &OrgId| {
            let scope = Scope::Org(id.clone());
            store.read(&scope, |tx| keyring.open(tx, &place(id), &sealed)).map(|_| ())
        };
        let scope = Scope::Org(doomed.clone());
        assert_eq!(store.write("test", &scope, orgs::destroy_data_keys), Ok::<_, StoreError>(1));
        opened(&doomed).expect("the key is still at hand");
        keyring.forget(&doomed);
        assert!(matches!(opened(&doomed), Err(Fault::MissingKey(_))));
        assert!(matches!(active(&doomed), Err(Fault::MissingKey(_))));
        assert!(Arc::ptr_eq(&active(&kept).unwrap(), &of_other), "others keep theirs");
    }
}
