//! The instance's keys: listed, rotated, revoked, and turned by the clock.
//!
//! Each step is one transaction, which counts itself as a change of the keys: of two that were decided
//! on the same reading one is written, and the other decides again. A process that dies between two
//! steps leaves keys from which the next tick goes on.

use std::sync::Arc;

use serde::Serialize;

use crate::audit::Datum;
use crate::base::{OrgId, Timestamp, limits};
use crate::crypto::Alg;
use crate::model::{
    self, Action, Caller, KeyKind, KeyPurpose, KeyRefusal, KeyRotation, KeyState, KeyStep, KeyTurn,
    SigningKey, Successor,
};
use crate::store::orgs::DataKeyPurpose;
use crate::store::signing_keys::{self, SigningKeyRow};
use crate::store::{Scope, StoreError, Tx};

use super::acting::Acting;
use super::context::Context;
use super::error::{Fault, SigningKeyError};
use super::journal::{reason, refuse};
use super::signing::{NewKey, SigningKeys, make_key};

/// Decisions made on keys that changed before they were written, before giving up.
const ATTEMPTS_MAX: u32 = 5;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyEvent {
    /// It was made and published.
    Created,
    /// It began to sign.
    Rotated,
    /// It ceased to sign.
    Retired,
    /// It was withdrawn, and its private half destroyed.
    Revoked,
    /// It was removed.
    Removed,
}

impl KeyEvent {
    /// The shown text.
    pub fn as_str(self) -> &'static str {
        self.event_type().trim_start_matches("key.")
    }

    /// The type of the event.
    fn event_type(self) -> &'static str {
        match self {
            KeyEvent::Created => "key.created",
            KeyEvent::Rotated => "key.rotated",
            KeyEvent::Retired => "key.retired",
            KeyEvent::Revoked => "key.revoked",
            KeyEvent::Removed => "key.removed",
        }
    }
}

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyChange {
    /// The key.
    pub kid: String,
    /// What happened to it.
    pub event: KeyEvent,
}

/// The answer to a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RotatedKey {
    /// The newest key: current, or next while it is only published.
    pub key: SigningKey,
    /// From when on it signs, or may.
    pub signs_from: Timestamp,
    /// The name of the key that ceased to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
}

/// The answer to a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RevokedKey {
    /// The key, as it is now.
    pub key: SigningKey,
    /// The key that took over, where the revoked one signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<SigningKey>,
}

/// All keys of the instance, the oldest first.
pub(crate) fn list(acting: &Acting<'_>) -> Result<Vec<SigningKey>, SigningKeyError> {
    acting.ask::<SigningKeyError>(Action::ManageKeys)?;
    Ok(Reading::of(acting.context)?.keys)
}

/// Takes the next step of a rotation: publishes a key, or lets the published one sign.
pub(crate) fn rotate(
    acting: &Acting<'_>,
    asked: KeyRotation,
) -> Result<RotatedKey, SigningKeyError> {
    let context = acting.context;
    acting.ask::<SigningKeyError>(Action::ManageKeys)?;
    for _ in 0..ATTEMPTS_MAX {
        let (reading, now) = (Reading::of(context)?, context.now());
        let rotation = model::rotate(&reading.keys, asked, &context.key_policy, now)
            .or_else(|refusal| told(acting, KeyEvent::Rotated, refusal))?;
        if !offered(context, asked.kind) {
            return Err(SigningKeyError::Unsupported(asked.kind.alg));
        }
        let step = match rotation {
            KeyTurn::Wait { kid, ready_at } => {
                let key = reading.key(&kid)?.clone();
                return Ok(RotatedKey { key, signs_from: ready_at, retired: None });
            }
            KeyTurn::Step(step) => step,
        };
        let Some(changed) = take(acting, &reading, &step, now)? else { continue };
        let retired = changed.iter().find(|key| key.state == KeyState::Retired);
        let retired = retired.map(|key| key.kid.clone());
        let newest = changed.into_iter().find(|key| key.state < KeyState::Retired);
        let key = newest.ok_or(Fault::Contended)?;
        let ready_at = context.key_policy.ready_at(&key);
        return Ok(RotatedKey { signs_from: key.current_at.unwrap_or(ready_at), key, retired });
    }
    Err(Fault::Contended.into())
}

/// Withdraws a key at once, and lets another take over where it signed. A key that is revoked already
/// is answered as it is.
pub(crate) fn revoke(acting: &Acting<'_>, kid: &str) -> Result<RevokedKey, SigningKeyError> {
    let context = acting.context;
    acting.ask::<SigningKeyError>(Action::ManageKeys)?;
    for _ in 0..ATTEMPTS_MAX {
        let (reading, now) = (Reading::of(context)?, context.now());
        let found = reading.keys.iter().find(|key| key.kid == kid);
        let key = found.ok_or(SigningKeyError::NotFound)?;
        let successor = model::revoke(&reading.keys, key, &context.key_policy, now)
            .or_else(|refusal| told(acting, KeyEvent::Revoked, refusal))?;
        if key.state == KeyState::Revoked {
            // By another process, perhaps: this one is to notice now.
            context.keys_changed();
            return Ok(RevokedKey { key: key.clone(), successor: None });
        }
        let mut acts = vec![Act::Revoke(key)];
        match &successor {
            Successor::Next { kid, early } => {
                acts.push(Act::Promote { key: reading.key(kid)?, early: *early });
            }
            Successor::New(kind) if offered(context, *kind) => {
                acts.push(Act::Make(Box::new(make(context, *kind, KeyState::Current, now)?)));
            }
            Successor::New(_) | Successor::Nobody => {}
        }
        if let Some(changed) = write(acting, &reading, &acts, now)? {
            let mut changed = changed.into_iter();
            let key = changed.next().ok_or(Fault::Contended)?;
            return Ok(RevokedKey { key, successor: changed.next() });
        }
    }
    Err(Fault::Contended.into())
}

/// Takes the steps that are due by the clock.
pub(crate) fn turn(acting: &Acting<'_>) -> Result<Vec<KeyChange>, SigningKeyError> {
    let context = acting.context;
    let mut changes = Vec::new();
    for _ in 0..limits::TICK_KEY_STEPS_MAX {
        let (mut reading, now) = (Reading::of(context)?, context.now());
        // What this build cannot sign with, another one may; what is gone, anybody may remove.
        let ours =
            |key: &SigningKey| key.state >= KeyState::Retired || offered(context, key.kind());
        reading.keys.retain(ours);
        let Some(step) = model::due(&reading.keys, &context.key_policy, now) else { break };
        let acts = acts(context, &reading, &step, now)?;
        if write(acting, &reading, &acts, now)?.is_some() {
            changes.extend(acts.iter().flat_map(Act::changes));
        }
    }
    Ok(changes)
}

/// Publishes a key of the configured algorithm where the instance has none. It signs when it has been
/// published for as long as it must be; until then another does.
pub(super) fn provide(context: &Context) -> Result<(), Fault> {
    let kind = KeyKind { purpose: KeyPurpose::Token, alg: context.token_alg };
    let system = OrgId::system();
    let acting = Acting { context, organization: &system, caller: &Caller::Operator };
    for _ in 0..ATTEMPTS_MAX {
        let reading = Reading::of(context)?;
        let live = |key: &SigningKey| key.kind() == kind && key.state < KeyState::Retired;
        if reading.keys.iter().any(live) {
            return Ok(());
        }
        match take(&acting, &reading, &KeyStep::Create(kind), context.now()) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(SigningKeyError::Fault(fault)) => return Err(fault),
            Err(_) => return Err(Fault::MissingKey("token signing")),
        }
    }
    Err(Fault::Contended)
}

/// The instance's keys, of which the one for tokens of `alg` may sign at `now`: its lease is extended if
/// it ends before.
pub(super) fn signing_at(
    context: &Context,
    alg: Alg,
    now: Timestamp,
) -> Result<Arc<SigningKeys>, Fault> {
    let system = Scope::Org(OrgId::system());
    for _ in 0..ATTEMPTS_MAX {
        let signing = context.signing();
        let key = signing.token(alg)?;
        if key.may_sign(now) {
            return Ok(signing);
        }
        let (kid, until) = (key.access_token.kid(), model::lease(now));
        let extend = |tx: &mut dyn Tx| signing_keys::extend(tx, kid, until);
        if context.store.write::<_, StoreError>("extend lease", &system, extend)? {
            key.extended(until);
        } else {
            context.reload_signing()?;
        }
    }
    Err(Fault::Contended)
}

/// The keys, where that for `alg` may sign at `now` without anything being written first.
pub(super) fn at_hand(context: &Context, alg: Alg, now: Timestamp) -> Option<Arc<SigningKeys>> {
    let signing = context.signing();
    signing.token(alg).is_ok_and(|key| key.may_sign(now)).then_some(signing)
}

/// The keys as they were read, and which of their changes they were read after.
struct Reading {
    version: i64,
    keys: Vec<SigningKey>,
}

impl Reading {
    fn of(context: &Context) -> Result<Reading, Fault> {
        // The version first: should a change come in between, what is decided on is not written.
        Ok(context.store.read::<_, StoreError>(&Scope::Instance, |tx| {
            let version = signing_keys::version(tx)?;
            let keys = signing_keys::all(tx)?.into_iter().map(|row| row.key).collect();
            Ok(Reading { version, keys })
        })?)
    }

    fn key(&self, kid: &str) -> Result<&SigningKey, Fault> {
        self.keys.iter().find(|key| key.kid == kid).ok_or(Fault::Contended)
    }
}

/// One change of one key.
enum Act<'a> {
    Retire(&'a SigningKey),
    Revoke(&'a SigningKey),
    Make(Box<SigningKeyRow>),
    Promote { key: &'a SigningKey, early: bool },
    Remove(&'a SigningKey),
}

impl Act<'_> {
    fn key(&self) -> &SigningKey {
        match self {
            Act::Make(row) => &row.key,
            Act::Promote { key, .. } => key,
            Act::Retire(key) | Act::Revoke(key) | Act::Remove(key) => key,
        }
    }

    fn events(&self) -> &'static [KeyEvent] {
        match self {
            Act::Retire(_) => &[KeyEvent::Retired],
            Act::Revoke(_) => &[KeyEvent::Revoked],
            Act::Make(row) if row.key.state == KeyState::Current => {
                &[KeyEvent::Created, KeyEvent::Rotated]
            }
            Act::Make(_) => &[KeyEvent::Created],
            Act::Promote { .. } => &[KeyEvent::Rotated],
            Act::Remove(_) => &[KeyEvent::Removed],
        }
    }

    fn changes(&self) -> impl Iterator<Item = KeyChange> + '_ {
        self.events().iter().map(|event| KeyChange { kid: self.key().kid.clone(), event: *event })
    }

    /// Whether the key begins to sign before it was published for as long as it should be.
    fn is_early(&self) -> bool {
        match self {
            Act::Promote { early, .. } => *early,
            Act::Make(row) => row.key.state == KeyState::Current,
            Act::Retire(_) | Act::Revoke(_) | Act::Remove(_) => false,
        }
    }

    /// The key as it is afterwards.
    fn changed(&self, now: Timestamp) -> SigningKey {
        let key = self.key().clone();
        match self {
            Act::Retire(_) => key.retired(now),
            Act::Revoke(_) => key.revoked(now),
            Act::Promote { .. } => key.promoted(now),
            Act::Make(_) | Act::Remove(_) => key,
        }
    }

    fn write(&self, tx: &mut dyn Tx, now: Timestamp) -> Result<bool, StoreError> {
        let kid = &self.key().kid;
        match self {
            Act::Retire(_) => signing_keys::retire(tx, kid, now),
            Act::Revoke(_) => signing_keys::revoke(tx, kid, now),
            Act::Make(row) => signing_keys::insert(tx, row).map(|()| true),
            Act::Promote { .. } => signing_keys::promote(tx, kid, now, model::lease(now)),
            Act::Remove(_) => signing_keys::remove(tx, kid),
        }
    }
}

/// Takes a step; the keys that it changed, or `None` where others changed first.
fn take(
    acting: &Acting<'_>,
    reading: &Reading,
    step: &KeyStep,
    now: Timestamp,
) -> Result<Option<Vec<SigningKey>>, SigningKeyError> {
    let acts = acts(acting.context, reading, step, now)?;
    write(acting, reading, &acts, now)
}

/// What a step does, in the order in which it is done: one key of a kind signs at a time.
fn acts<'a>(
    context: &Context,
    reading: &'a Reading,
    step: &KeyStep,
    now: Timestamp,
) -> Result<Vec<Act<'a>>, Fault> {
    let made = |kind, state| Ok::<_, Fault>(Act::Make(Box::new(make(context, kind, state, now)?)));
    let (retires, act) = match step {
        KeyStep::Create(kind) => (None, made(*kind, KeyState::Next)?),
        KeyStep::Replace { kind, retires } => (retires.as_ref(), made(*kind, KeyState::Current)?),
        KeyStep::Promote { kid, retires, early } => {
            (retires.as_ref(), Act::Promote { key: reading.key(kid)?, early: *early })
        }
        KeyStep::Remove { kid } => (None, Act::Remove(reading.key(kid)?)),
    };
    let retires = retires.map(|kid| reading.key(kid)).transpose()?;
    Ok(retires.map(Act::Retire).into_iter().chain([act]).collect())
}

/// Writes changes and their entries in one transaction, and reads the keys anew.
fn write(
    acting: &Acting<'_>,
    reading: &Reading,
    acts: &[Act<'_>],
    now: Timestamp,
) -> Result<Option<Vec<SigningKey>>, SigningKeyError> {
    let written = acting.write("change keys", Action::ManageKeys, |tx| {
        if !signing_keys::count_change(tx, reading.version)? {
            return Ok(false);
        }
        for act in acts {
            if !act.write(tx, now)? {
                return Err(SigningKeyError::Fault(Fault::Contended));
            }
            for event in act.events() {
                journal(acting, tx, act, *event)?;
            }
        }
        Ok(true)
    })?;
    if !written {
        return Ok(None);
    }
    acting.context.keys_changed();
    Ok(Some(acts.iter().map(|act| act.changed(now)).collect()))
}

fn journal(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    act: &Act<'_>,
    event: KeyEvent,
) -> Result<(), Fault> {
    let key = act.key();
    let mut entry = acting
        .event(event.event_type())
        .target(&key.kid)
        .with("alg", key.alg.as_str())
        .with("purpose", key.purpose.as_str());
    if event == KeyEvent::Rotated && act.is_early() {
        entry = entry.with("early", Datum::Flag(true));
    }
    acting.journal(tx, &entry)
}

/// Tells the log of a refusal, and answers it.
fn told<T>(
    acting: &Acting<'_>,
    event: KeyEvent,
    refusal: KeyRefusal,
) -> Result<T, SigningKeyError> {
    let error = SigningKeyError::Refused(refusal);
    let entry = acting.refused(event.event_type(), reason(error.code()));
    refuse(acting.context, acting.organization, &entry)?;
    Err(error)
}

fn offered(context: &Context, kind: KeyKind) -> bool {
    context.provider.algs().contains(&kind.alg)
}

fn make(
    context: &Context,
    kind: KeyKind,
    state: KeyState,
    now: Timestamp,
) -> Result<SigningKeyRow, Fault> {
    let store = &*context.store;
    let sealing = context.keyring.active(store, &OrgId::system(), DataKeyPurpose::Keys)?;
    make_key(&context.provider, &*context.rng, &sealing, NewKey { kind, state, now })
}
