//! Credentials.

use std::time::Duration;

use crate::base::{AgentId, CredentialId, OrgId, limits};
use crate::crypto::seal;
use crate::model::{
    Action, AgentStatus, ClientSecret, Credential, CredentialStatus, Invalid, IssuedCredential,
    NewCredential, secret_mac,
};
use crate::store::credentials::{self, SecretRow};
use crate::store::orgs::DataKeyPurpose;
use crate::store::{Tx, agents};

use super::acting::Acting;
use super::context::Context;
use super::error::{CredentialError, Fault};
use super::journal::reason;
use super::members;
use super::signing::place;

/// A secret that expires sooner could not be used once.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// The type of the event.
const GENERATED: &str = "credential.generated";

/// Issues a client secret. It is in the answer and nowhere else.
pub(crate) fn issue(
    acting: &Acting<'_>,
    agent: &AgentId,
    new: NewCredential,
) -> Result<IssuedCredential, CredentialError> {
    let Acting { context, organization, caller } = *acting;
    let now = context.now();
    if new.expires_in.is_some_and(|life| life < SHORTEST_LIFE) {
        return Err(Invalid::new("expiresIn", "shorter than a second").into());
    }
    let id = CredentialId::generate(&*context.clock, &*context.rng)?;
    let secret = ClientSecret::generate(&id, &*context.rng)?;
    let credential = Credential {
        id,
        client_id: agent.clone(),
        status: CredentialStatus::Active,
        expires_at: new.expires_in.map(|life| now.plus(life)),
        created_at: now,
    };
    // A stranger to the organization is told so before any key of it is looked for.
    let known = acting.read(Action::ChangeCredentials, |tx| {
        let known = agents::get(tx, agent)?.ok_or(CredentialError::NotFound)?;
        // Whoever has an agent's secret has its role and its scopes.
        members::holds_role(acting, tx, agent)??;
        Ok::<_, CredentialError>(known)
    })?;
    caller.holds(&known.scopes)?;
    let (pepper_version, sealed_secret_mac) = sealed_mac(context, organization, agent, &secret)?;
    let row = SecretRow { pepper_version, sealed_secret_mac: &sealed_secret_mac };
    let refusal = acting.write("issue credential", Action::ChangeCredentials, |tx| {
        if let Some(refusal) = refusal(tx, &credential)? {
            let event = acting.refused(GENERATED, reason(refusal.code())).target(agent.as_str());
            acting.journal(tx, &event)?;
            return Ok(Some(refusal));
        }
        agents::touch(tx, agent, now)?;
        credentials::insert_secret(tx, &credential, &row)?;
        let mut event = acting
            .event(GENERATED)
            .target(agent.as_str())
            .with("credentialId", credential.id.as_str());
        if let Some(expires_at) = credential.expires_at {
            event = event.with("expiresAt", expires_at.to_string());
        }
        acting.journal(tx, &event)?;
        Ok::<_, CredentialError>(None)
    })?;
    match refusal {
        Some(refusal) => Err(refusal),
        None => Ok(IssuedCredential::new(credential, secret)),
    }
}

/// Why the agent may not have one more secret. Locking the agent makes others wait, so that two cannot
/// both take the last place.
fn refusal(
    tx: &mut dyn Tx,
    credential: &Credential,
) -> Result<Option<CredentialError>, CredentialError> {
    let agent = &credential.client_id;
    if !agents::lock(tx, agent)? {
        let known = agents::get(tx, agent)?;
        let gone = known.is_none_or(|agent| agent.status == AgentStatus::Active);
        return Ok(Some(if gone { CredentialError::NotFound } else { CredentialError::NotActive }));
    }
    let live = credentials::live_secrets(tx, agent, credential.created_at)?.len();
    let full = live >= limits::LIVE_SECRETS_MAX;
    Ok(full.then_some(CredentialError::LimitReached(limits::LIVE_SECRETS_MAX)))
}

/// What is kept of a secret: its MAC under the newest pepper, sealed for its row.
fn sealed_mac(
    context: &Context,
    organization: &OrgId,
    agent: &AgentId,
    secret: &ClientSecret,
) -> Result<(i64, Vec<u8>), Fault> {
    let (version, pepper) = context.keyring.newest_pepper().ok_or(Fault::MissingKey("pepper"))?;
    let id = secret.credential_id();
    let mac = secret_mac(&pepper, organization, agent, id, secret.expose());
    let key = context.keyring.active(&*context.store, organization, DataKeyPurpose::Credentials)?;
    let row = format!("{agent}/{id}");
    let place = place(organization, "credentials", "sealed_secret_mac", &row);
    Ok((version, seal(&key, &place, &mac, &*context.rng)?))
}
