//! Making an instance, and opening one.

use std::sync::Arc;

use crate::base::{Clock, DataKeyId, InstanceId, OrgId, Rng, SecretBytes, Timestamp};
use crate::crypto::{Alg, CryptoProvider, DataKey, Kek, KekSalt, KekSource, KeyBinding, seal};
use crate::did::root_did;
use crate::model::{Issuer, KeyKind, KeyPolicy, KeyPurpose, KeyState, NewOrg, PlanTier};
use crate::policy::Rules;
use crate::store::installation::{self, InstanceRow};
use crate::store::orgs::{self, DataKeyPurpose, DataKeyRow};
use crate::store::signing_keys::{self, SigningKeyRow};
use crate::store::{Scope, Store, Tx, audit};

use super::context::{Context, Parts};
use super::error::{Fault, OpenError};
use super::keyring::Keyring;
use super::keys;
use super::signing::{NewKey, make_key, place};

/// What the caller chose.
pub(crate) struct Choice {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: CryptoProvider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) kek: KekSource,
    pub(crate) issuer: Option<Issuer>,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) token_alg: Alg,
    pub(crate) key_policy: KeyPolicy,
    pub(crate) rules: Rules,
}

/// The version of the first pepper.
const FIRST_PEPPER: i64 = 1;

/// The algorithms that every new instance has a token key for.
const TOKEN_ALGS: [Alg; 2] = [Alg::Es256, Alg::EdDsa];

/// Opens the instance in the store.
pub(crate) fn open(choice: Choice) -> Result<Context, OpenError> {
    let row = read(&*choice.store)?.ok_or(OpenError::NotInitialized)?;
    choice.provider.self_test_of(choice.token_alg, &*choice.rng)?;
    belongs(&row, choice.issuer.as_ref().map(Issuer::as_str), choice.instance.as_ref())?;
    let root = root_key(&row, &choice.kek)?;
    let issuer = Issuer::parse(&row.issuer)?;
    let Choice { store, provider, clock, rng, token_alg, key_policy, rules, .. } = choice;
    let keyring = Keyring::new(root);
    let parts =
        Parts { store, provider, clock, rng, issuer, token_alg, key_policy, rules, keyring };
    let context = Context::new(parts)?;
    keys::provide(&context)?;
    Ok(context)
}

/// Refuses an instance that is another than the configuration expects.
pub(super) fn belongs(
    row: &InstanceRow,
    issuer: Option<&str>,
    instance: Option<&InstanceId>,
) -> Result<(), OpenError> {
    if issuer.is_some_and(|issuer| issuer != row.issuer) {
        return Err(OpenError::Foreign(format!("its issuer is {}", row.issuer)));
    }
    if instance.is_some_and(|instance| *instance != row.instance_id) {
        return Err(OpenError::Foreign(format!("it is instance {}", row.instance_id)));
    }
    Ok(())
}

/// The root key, unwrapped by the key-encryption key.
pub(super) fn root_key(row: &InstanceRow, kek: &KekSource) -> Result<DataKey, OpenError> {
    let salt: [u8; 16] = row.kek_salt.as_slice().try_into().unwrap_or_default();
    let kek = kek.load(&KekSalt::from_bytes(salt))?;
    let root = kek.unwrap(&root_binding(&row.root_key_id, &OrgId::system()), &row.root_key)?;
    Ok(DataKey::new(row.root_key_id.clone(), root)?)
}

/// The instance's row, if the store holds one.
pub(crate) fn read(store: &dyn Store) -> Result<Option<InstanceRow>, OpenError> {
    Ok(store.read(&Scope::Instance, installation::instance)?)
}

/// Makes an instance: its root key, the `system` organization, peppers and signing keys, in one
/// transaction.
pub(crate) fn create(choice: &Choice) -> Result<(), OpenError> {
    let issuer = choice.issuer.as_ref().ok_or(OpenError::ConfigMissing("the issuer"))?;
    let maker = Maker::new(choice, issuer)?;
    let keys = maker.keys()?;
    let scope = Scope::Org(OrgId::system());
    choice.store.write("init", &scope, |tx| {
        if !installation::insert_instance(tx, &maker.row)? {
            return Err(OpenError::AlreadyInitialized);
        }
        maker.insert_system(tx, &keys)
    })
}

struct Maker<'a> {
    choice: &'a Choice,
    issuer: &'a Issuer,
    now: Timestamp,
    system: OrgId,
    row: InstanceRow,
    keyring: Keyring,
}

/// What is sealed before the transaction begins.
struct NewKeys {
    data: Vec<(Arc<DataKey>, DataKeyRow)>,
    pepper: Vec<u8>,
    signing: Vec<SigningKeyRow>,
}

impl<'a> Maker<'a> {
    fn new(choice: &'a Choice, issuer: &'a Issuer) -> Result<Maker<'a>, OpenError> {
        let rng = &*choice.rng;
        let salt = KekSalt::generate(rng)?;
        let kek: Kek = choice.kek.load(&salt)?;
        let root = DataKey::generate(DataKeyId::generate(&*choice.clock, rng)?, rng)?;
        let system = OrgId::system();
        let now = choice.clock.now();
        let row = InstanceRow {
            instance_id: InstanceId::generate(&*choice.clock, rng)?,
            issuer: issuer.as_str().to_owned(),
            kek_kind: kek.kind().to_owned(),
            kek_salt: salt.as_bytes().to_vec(),
            root_key: kek.wrap(&root_binding(root.id(), &system), root.key(), rng)?,
            root_key_id: root.id().clone(),
            created_at: now,
        };
        Ok(Maker { choice, issuer, now, system, row, keyring: Keyring::new(root) })
    }

    fn keys(&self) -> Result<NewKeys, OpenError> {
        let (clock, rng) = (&*self.choice.clock, &*self.choice.rng);
        let data = DataKeyPurpose::ALL
            .into_iter()
            .map(|purpose| self.keyring.generate(&self.system, purpose, clock, rng))
            .collect::<Result<Vec<_>, _>>()?;
        let find = |purpose| {
            let found = data.iter().find(|(_, row)| row.purpose == purpose);
            found.map(|(key, _)| key).ok_or(Fault::MissingKey("data"))
        };
        let mut pepper = vec![0; 32];
        rng.fill(&mut pepper)?;
        let pepper = SecretBytes::new(pepper);
        let row = FIRST_PEPPER.to_string();
        let place = place(&self.system, "peppers", "sealed_pepper", &row);
        let pepper = seal(find(DataKeyPurpose::Credentials)?, &place, pepper.expose(), rng)?;
        let sealing = find(DataKeyPurpose::Keys)?;
        let mut wanted = vec![(KeyPurpose::Document, Alg::Es256), (KeyPurpose::Audit, Alg::EdDsa)];
        wanted.extend(TOKEN_ALGS.map(|alg| (KeyPurpose::Token, alg)));
        if !TOKEN_ALGS.contains(&self.choice.token_alg) {
            wanted.push((KeyPurpose::Token, self.choice.token_alg));
        }
        // They sign from the start: nobody has an older copy of the key set.
        let make = |(purpose, alg)| {
            let kind = KeyKind { purpose, alg };
            let key = NewKey { kind, state: KeyState::Current, now: self.now };
            make_key(&self.choice.provider, rng, sealing, key)
        };
        let signing = wanted.into_iter().map(make).collect::<Result<Vec<_>, _>>()?;
        Ok(NewKeys { data, pepper, signing })
    }

    fn insert_system(&self, tx: &mut dyn Tx, keys: &NewKeys) -> Result<(), OpenError> {
        let org = NewOrg::new("system")
            .name("System")
            .plan(PlanTier::Enterprise)
            .build(self.system.clone(), self.now)?;
        orgs::claim_public_id(tx, crate::store::instance::PublicIdKind::Slug, "system")?;
        orgs::insert(tx, &org)?;
        let log = crate::audit::log_origin(self.issuer, &self.system);
        audit::open_log(tx, &log)?;
        for (_, row) in &keys.data {
            orgs::insert_data_key(tx, row, self.now)?;
        }
        installation::insert_pepper(tx, FIRST_PEPPER, &keys.pepper, self.now)?;
        for row in &keys.signing {
            signing_keys::insert(tx, row)?;
        }
        // There is no context to journal with yet; nobody can subscribe yet either.
        let event_id = crate::base::EventId::generate(&*self.choice.clock, &*self.choice.rng)?;
        let did = root_did(self.issuer);
        let entry = crate::audit::Entry::new(
            &log,
            &event_id,
            self.now,
            "instance.created",
            crate::audit::Outcome::Success,
        )
        .target(Some(self.row.instance_id.as_str()))
        .with("did", did.as_str())
        .with("issuer", self.issuer.as_str())
        .to_bytes()?;
        tx.append_entry(event_id.as_str(), &entry)?;
        Ok(())
    }
}

fn root_binding<'a>(key_id: &'a DataKeyId, system: &'a OrgId) -> KeyBinding<'a> {
    KeyBinding { key_id, organization_id: system, purpose: "root" }
}
