//! Rotating and revoking credentials.

use std::time::Duration;

use crate::audit::Datum;
use crate::base::{AgentId, CredentialId, limits};
use crate::model::{
    Action, ClientSecret, Credential, CredentialKind, CredentialStatus, IssuedCredential,
    RevokeTokens, Rotation, check_overlap,
};
use crate::store::{Tx, agents, credentials};

use super::acting::Acting;
use super::credentials::{KeptSecret, ask, credential, lock, told};
use super::error::CredentialError;
use super::journal::reason;
use super::members;

/// The types of the events.
const ROTATED: &str = "credential.rotated";
const REVOKED: &str = "credential.revoked";

/// Checks that the credential is the agent's, for who may change it. It is for ever.
pub(crate) fn check(
    acting: &Acting<'_>,
    agent: &AgentId,
    id: &CredentialId,
) -> Result<(), CredentialError> {
    acting.read(Action::ChangeCredentials, |tx| {
        let known = credentials::get(tx, id)?.filter(|known| known.client_id == *agent);
        known.map(|_| ()).ok_or(CredentialError::NotFound)
    })
}

/// Issues a secret in the place of another, which lives for `overlap` more at most.
pub(crate) fn rotate(
    acting: &Acting<'_>,
    id: &CredentialId,
    overlap: Duration,
) -> Result<IssuedCredential, CredentialError> {
    let Acting { context, organization, .. } = *acting;
    check_overlap(overlap)?;
    let known = acting.read(Action::ChangeCredentials, |tx| {
        credentials::get(tx, id)?.ok_or(CredentialError::NotFound)
    })?;
    let agent = &known.client_id;
    ask(acting, agent)?;
    let now = context.now();
    let mut new = credential(context, agent, CredentialKind::Secret, None, now)?;
    let secret = ClientSecret::generate(&new.id, &*context.rng)?;
    let kept = KeptSecret::own(context, organization, agent, &secret)?;
    let decided = acting.write("rotate credential", Action::ChangeCredentials, |tx| {
        let rotation = match decide(acting, tx, id, &new, overlap)? {
            Ok(rotation) => rotation,
            Err(refusal) => {
                let event = acting.refused(ROTATED, reason(refusal.code())).target(agent.as_str());
                acting.journal(tx, &event)?;
                return Ok(Err(refusal));
            }
        };
        let mut next = new.clone();
        next.expires_at = rotation.new_expires_at;
        credentials::expire(tx, id, rotation.old_expires_at)?;
        credentials::insert_secret(tx, &next, &kept.row())?;
        agents::touch(tx, agent, now)?;
        let event = told(acting.event(ROTATED), &next)
            .with("replaces", id.as_str())
            .with("replacedUntil", rotation.old_expires_at.to_string());
        acting.journal(tx, &event)?;
        Ok::<_, CredentialError>(Ok(rotation))
    })?;
    new.expires_at = decided?.new_expires_at;
    Ok(IssuedCredential::new(new, secret))
}

/// What the rotation comes to as the agent and its secrets stand. Whoever asks holds the agent's lock.
fn decide(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    id: &CredentialId,
    new: &Credential,
    overlap: Duration,
) -> Result<Result<Rotation, CredentialError>, CredentialError> {
    let now = new.created_at;
    if let Some(refusal) = lock(acting, tx, &new.client_id)? {
        return Ok(Err(refusal));
    }
    let old = credentials::get(tx, id)?.ok_or(CredentialError::NotFound)?;
    if old.kind != CredentialKind::Secret {
        return Ok(Err(CredentialError::NotASecret));
    }
    let Some(rotation) = old.rotation(overlap, now) else {
        return Ok(Err(CredentialError::Over));
    };
    let live = credentials::live_secrets(tx, &new.client_id, now)?;
    let leaves = rotation.old_expires_at <= now;
    let staying = live.iter().filter(|own| !(leaves && own.credential_id == *id)).count();
    if staying >= limits::LIVE_SECRETS_MAX {
        return Ok(Err(CredentialError::LimitReached(limits::LIVE_SECRETS_MAX)));
    }
    Ok(Ok(rotation))
}

/// Revokes a credential, and with it the tokens of its agent if that is asked for. One that is
/// revoked already stays so.
pub(crate) fn revoke(
    acting: &Acting<'_>,
    id: &CredentialId,
    tokens: RevokeTokens,
) -> Result<Credential, CredentialError> {
    let ends_tokens = tokens == RevokeTokens::Yes;
    if ends_tokens {
        acting.ask::<CredentialError>(Action::RevokeTokens)?;
    }
    acting.write("revoke credential", Action::ChangeCredentials, |tx| {
        let mut credential = credentials::get(tx, id)?.ok_or(CredentialError::NotFound)?;
        let agent = credential.client_id.clone();
        agents::hold(tx, &agent)?;
        // Read where nobody else issues by what was there before: the lock may have taken its time.
        let now = acting.context.now();
        if let Err(denied) = members::holds_role(acting, tx, &agent)? {
            let event = acting.refused(REVOKED, reason(denied.code())).target(agent.as_str());
            acting.journal(tx, &event)?;
            return Ok(Err(denied.into()));
        }
        let revoked = credentials::revoke(tx, id)?;
        credential.status = CredentialStatus::Revoked;
        if !revoked && !ends_tokens {
            return Ok(Ok(credential));
        }
        if ends_tokens {
            agents::end_tokens(tx, &agent, now.plus(limits::TOKENS_END_MARGIN))?;
        }
        agents::touch(tx, &agent, now)?;
        let event =
            told(acting.event(REVOKED), &credential).with("tokens", Datum::Flag(ends_tokens));
        acting.journal(tx, &event)?;
        Ok::<_, CredentialError>(Ok(credential))
    })?
}
