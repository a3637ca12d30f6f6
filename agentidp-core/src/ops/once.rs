//! Requests that are done once, however often they are made under one key.
//!
//! The key is taken in a transaction of its own before the request is done, and the answer is kept in
//! another one after it. Whoever is cut off in between leaves a key that is taken: nobody can tell
//! whether the request was done, so it is not done again under that key.

use crate::base::{OrgId, SecretBytes, Timestamp, limits};
use crate::crypto::{Place, base64url, seal, sha256};
use crate::model::{Caller, IdempotencyKey};
use crate::store::idempotency::{self, KeyUse, UseState};
use crate::store::orgs::DataKeyPurpose;
use crate::store::{Scope, StoreError, instance};

use super::context::Context;
use super::error::Fault;
use super::signing::place;
use super::tick::in_batches;

/// Who makes a request on the plain handle.
const OPERATOR: &str = "operator";
/// Bytes of a digest.
const DIGEST: usize = 32;

/// The use of a key for one request.
pub(crate) struct KeyClaim {
    organization: OrgId,
    caller: String,
    key_digest: [u8; DIGEST],
    request_digest: [u8; DIGEST],
    expires_at: Timestamp,
}

/// What is known of a request under a key.
pub(crate) enum Begun {
    /// Nothing: it is to be done now.
    First(KeyClaim),
    /// The answer that it was given.
    Answered(SecretBytes),
    /// It runs, or was cut off.
    Running,
    /// The key was used for another request.
    Other,
    /// The organization has too many keys in use.
    Full,
}

/// Takes the key for `request`, or tells what became of an earlier one.
pub(crate) fn begin(
    context: &Context,
    caller: &Caller,
    key: &IdempotencyKey,
    request: &[u8],
) -> Result<Begun, Fault> {
    let claim = KeyClaim::new(context, caller, key, request);
    let sealed = claim.seal(context, &[])?;
    let now = context.now();
    let begun = context.store.write::<_, Fault>("begin once", &claim.scope(), |tx| {
        if let Some(row) = idempotency::get(tx, claim.key(), now)? {
            let row_key = claim.row_key();
            let opened = context.keyring.open(tx, &claim.place(&row_key), &row.sealed_answer)?;
            return Ok(claim.compare(row.state, &opened));
        }
        if idempotency::live(tx, now)? >= limits::IDEMPOTENCY_KEYS_MAX {
            return Ok(Some(Begun::Full));
        }
        let taken = idempotency::claim(tx, claim.key(), &sealed, claim.expires_at, now)?;
        // Somebody who was quicker runs it.
        Ok(if taken { None } else { Some(Begun::Running) })
    })?;
    Ok(begun.unwrap_or(Begun::First(claim)))
}

/// Keeps the answer for as long as the key is. An answer that is too long is not kept, and its key
/// stays taken: the request is not done again.
pub(crate) fn answer(context: &Context, claim: &KeyClaim, answer: &[u8]) -> Result<bool, Fault> {
    if answer.len() > limits::IDEMPOTENCY_ANSWER_BYTES_MAX {
        return Ok(false);
    }
    let sealed = claim.seal(context, answer)?;
    let kept = context.store.write::<_, StoreError>("answer once", &claim.scope(), |tx| {
        idempotency::answer(tx, claim.key(), claim.expires_at, &sealed)
    })?;
    Ok(kept)
}

/// Gives the key back: the request did nothing.
pub(crate) fn release(context: &Context, claim: &KeyClaim) -> Result<bool, Fault> {
    let released = context.store.write::<_, StoreError>("release once", &claim.scope(), |tx| {
        idempotency::release(tx, claim.key(), claim.expires_at)
    })?;
    Ok(released)
}

/// Forgets the answers of all organizations that nobody may ask for again, batch by batch; tells how
/// many.
pub(crate) fn purge(context: &Context, now: Timestamp) -> Result<u64, Fault> {
    in_batches(context, "purge answers", |tx| instance::forget_expired_answers(tx, now))
}

impl KeyClaim {
    fn new(context: &Context, caller: &Caller, key: &IdempotencyKey, request: &[u8]) -> KeyClaim {
        let (organization, caller, scopes) = match caller.agent() {
            Some(agent) => (
                agent.organization_id.clone(),
                // Who acts for another agent has keys of its own.
                format!("{}/{}", agent.agent_id, agent.doer()),
                agent.scopes.to_string(),
            ),
            None => (OrgId::system(), OPERATOR.to_owned(), String::new()),
        };
        // A token with less leave must not be told what one with more was: to it, that was another
        // request.
        let scopes = sha256(&[scopes.as_bytes()]);
        KeyClaim {
            organization,
            caller,
            key_digest: sha256(&[b"agentidp/idempotency-key/v1", key.as_str().as_bytes()]),
            request_digest: sha256(&[b"agentidp/idempotent-request/v1", &scopes, request]),
            expires_at: context.now().plus(limits::IDEMPOTENCY_LIFE),
        }
    }

    /// What the row of an earlier request comes to for this one.
    fn compare(&self, state: UseState, opened: &SecretBytes) -> Option<Begun> {
        let Some((request, answer)) = opened.expose().split_first_chunk::<DIGEST>() else {
            return Some(Begun::Running);
        };
        Some(match state {
            _ if *request != self.request_digest => Begun::Other,
            UseState::Running => Begun::Running,
            UseState::Answered => Begun::Answered(SecretBytes::new(answer.to_vec())),
        })
    }

    /// The digest of the request and its answer, sealed for their row.
    fn seal(&self, context: &Context, answer: &[u8]) -> Result<Vec<u8>, Fault> {
        let purpose = DataKeyPurpose::Answers;
        let key = context.keyring.active(&*context.store, &self.organization, purpose)?;
        let plain = SecretBytes::new([self.request_digest.as_slice(), answer].concat());
        let row_key = self.row_key();
        Ok(seal(&key, &self.place(&row_key), plain.expose(), &*context.rng)?)
    }

    fn place<'a>(&'a self, row_key: &'a str) -> Place<'a> {
        place(&self.organization, "idempotency_keys", "sealed_answer", row_key)
    }

    fn row_key(&self) -> String {
        format!("{}/{}", self.caller, base64url(&self.key_digest))
    }

    fn key(&self) -> KeyUse<'_> {
        KeyUse { caller: &self.caller, key_digest: &self.key_digest }
    }

    fn scope(&self) -> Scope {
        Scope::Org(self.organization.clone())
    }
}
