//! Issuing and listing credentials.

use crate::base::{AgentId, CredentialId, Cursor, OrgId, Page, PageRequest, Timestamp, limits};
use crate::crypto::seal;
use crate::jose::Jwk;
use crate::model::{
    Action, AgentStatus, ClientSecret, Credential, CredentialKind, CredentialStatus,
    IssuedCredential, NewCredential, NewKeyCredential, SecretScheme, expiry_of, secret_mac,
};
use crate::store::credentials::{self, SecretRow};
use crate::store::orgs::DataKeyPurpose;
use crate::store::{Tx, agent_keys, agents};

use super::acting::Acting;
use super::context::Context;
use super::error::{CredentialError, Fault};
use super::journal::{Event, reason};
use super::members;
use super::signing::place;

/// The type of the event.
const GENERATED: &str = "credential.generated";

/// Issues a client secret. It is in the answer and nowhere else.
pub(crate) fn issue(
    acting: &Acting<'_>,
    agent: &AgentId,
    new: NewCredential,
) -> Result<IssuedCredential, CredentialError> {
    let Acting { context, organization, .. } = *acting;
    let now = context.now();
    let expires_at = expiry_of(new.expires_in, now)?;
    let credential = credential(context, agent, CredentialKind::Secret, expires_at, now)?;
    let secret = ClientSecret::generate(&credential.id, &*context.rng)?;
    ask(acting, agent)?;
    let kept = KeptSecret::own(context, organization, agent, &secret)?;
    store(acting, &credential, |tx| {
        credentials::insert_secret(tx, &credential, &kept.row())?;
        Ok(None)
    })?;
    Ok(IssuedCredential::new(credential, secret))
}

/// Lets the agent prove itself by a key whose private half it holds.
pub(crate) fn add_public_key(
    acting: &Acting<'_>,
    agent: &AgentId,
    new: NewKeyCredential,
) -> Result<Credential, CredentialError> {
    let now = acting.context.now();
    let expires_at = expiry_of(new.expires_in, now)?;
    let jwk = Jwk::from_text(new.key.expose()).map_err(CredentialError::Key)?;
    let kid = jwk.key().thumbprint();
    let mut credential =
        credential(acting.context, agent, CredentialKind::PublicKey, expires_at, now)?;
    credential.kid = Some(kid.clone());
    let public_jwk = jwk.to_value().to_string();
    ask(acting, agent)?;
    store(acting, &credential, |tx| {
        let known = credentials::live_key_ids(tx, agent, now)?;
        // A key that the agent was registered with proves it in that way, until it ends for good.
        if known.contains(&kid) || agent_keys::is_known(tx, agent, &kid)? {
            return Ok(Some(CredentialError::KeyKnown(kid.clone())));
        }
        if known.len() >= limits::LIVE_PUBLIC_KEYS_MAX {
            return Ok(Some(CredentialError::KeysFull(limits::LIVE_PUBLIC_KEYS_MAX)));
        }
        credentials::insert_public_key(tx, &credential, &public_jwk)?;
        Ok(None)
    })?;
    Ok(credential)
}

/// A credential that is not stored yet.
pub(super) fn credential(
    context: &Context,
    agent: &AgentId,
    kind: CredentialKind,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Credential, Fault> {
    Ok(Credential {
        id: CredentialId::generate(&*context.clock, &*context.rng)?,
        client_id: agent.clone(),
        kind,
        kid: None,
        status: CredentialStatus::Active,
        expires_at,
        created_at: now,
    })
}

/// Asks whether the caller may give somebody a proof of being the agent: whoever has one has the
/// agent's scopes. A stranger to the organization is told so before any key of it is looked for.
pub(super) fn ask(acting: &Acting<'_>, agent: &AgentId) -> Result<(), CredentialError> {
    let known = acting.read(Action::ChangeCredentials, |tx| {
        agents::get(tx, agent)?.ok_or(CredentialError::NotFound)
    })?;
    acting.ask_holds(Action::ChangeCredentials, &known.scopes)
}

/// Stores the credential by `insert`, unless the agent may not have it.
fn store(
    acting: &Acting<'_>,
    credential: &Credential,
    mut insert: impl FnMut(&mut dyn Tx) -> Result<Option<CredentialError>, CredentialError>,
) -> Result<(), CredentialError> {
    let agent = &credential.client_id;
    let refusal = acting.write("issue credential", Action::ChangeCredentials, |tx| {
        let refusal = match refusal(acting, tx, credential)? {
            Some(refusal) => Some(refusal),
            None => insert(tx)?,
        };
        if let Some(refusal) = refusal {
            let event = acting.refused(GENERATED, reason(refusal.code())).target(agent.as_str());
            acting.journal(tx, &event)?;
            return Ok(Some(refusal));
        }
        agents::touch(tx, agent, credential.created_at)?;
        acting.journal(tx, &told(acting.event(GENERATED), credential))?;
        Ok::<_, CredentialError>(None)
    })?;
    refusal.map_or(Ok(()), Err)
}

/// What the log is told of a credential.
pub(super) fn told<'a>(event: Event<'a>, credential: &'a Credential) -> Event<'a> {
    let mut event =
        event.target(credential.client_id.as_str()).with("credentialId", credential.id.as_str());
    if let Some(kid) = &credential.kid {
        event = event.with("kid", kid.as_str());
    }
    if let Some(expires_at) = credential.expires_at {
        event = event.with("expiresAt", expires_at.to_string());
    }
    event
}

/// Why the agent may not have one more credential. Locking the agent makes others wait, so that two
/// cannot both take the last place.
fn refusal(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    credential: &Credential,
) -> Result<Option<CredentialError>, CredentialError> {
    let agent = &credential.client_id;
    if let Some(refusal) = lock(acting, tx, agent)? {
        return Ok(Some(refusal));
    }
    if credential.kind == CredentialKind::PublicKey {
        return Ok(None);
    }
    let live = credentials::live_secrets(tx, agent, credential.created_at)?.len();
    let full = live >= limits::LIVE_SECRETS_MAX;
    Ok(full.then_some(CredentialError::LimitReached(limits::LIVE_SECRETS_MAX)))
}

/// Makes others that change the agent wait, or tells why it may have no credential. Its scopes are
/// looked at again: they may have become more since the caller was asked.
pub(super) fn lock(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    agent: &AgentId,
) -> Result<Option<CredentialError>, CredentialError> {
    let active = agents::lock(tx, agent)?;
    if active && acting.caller.agent().is_none() {
        return Ok(None);
    }
    let known = agents::get(tx, agent)?.ok_or(CredentialError::NotFound)?;
    if known.status != AgentStatus::Active {
        return Ok(Some(CredentialError::NotActive));
    }
    // Whoever has an agent's secret has its role, too.
    let held = members::holds_role(acting, tx, agent)?;
    let held = held.and_then(|()| acting.caller.holds(&known.scopes));
    Ok(held.err().map(CredentialError::from))
}

/// What is kept of a secret: a MAC under the newest pepper, sealed for its row.
pub(super) struct KeptSecret {
    scheme: SecretScheme,
    pepper_version: i64,
    sealed_secret_mac: Vec<u8>,
}

impl KeptSecret {
    /// Of a secret of ours.
    pub(super) fn own(
        context: &Context,
        organization: &OrgId,
        agent: &AgentId,
        secret: &ClientSecret,
    ) -> Result<KeptSecret, Fault> {
        let id = secret.credential_id();
        KeptSecret::of(context, (organization, agent, id), secret.expose(), SecretScheme::Own)
    }

    /// Of the hexadecimal SHA-256 that another installation kept.
    pub(super) fn imported(
        context: &Context,
        organization: &OrgId,
        credential: &Credential,
        digest: &str,
    ) -> Result<KeptSecret, Fault> {
        let row = (organization, &credential.client_id, &credential.id);
        KeptSecret::of(context, row, digest, SecretScheme::Sha256)
    }

    fn of(
        context: &Context,
        (organization, agent, id): (&OrgId, &AgentId, &CredentialId),
        text: &str,
        scheme: SecretScheme,
    ) -> Result<KeptSecret, Fault> {
        let newest = context.keyring.newest_pepper().ok_or(Fault::MissingKey("pepper"))?;
        let (pepper_version, pepper) = newest;
        let mac = secret_mac(&pepper, organization, agent, id, text);
        let purpose = DataKeyPurpose::Credentials;
        let key = context.keyring.active(&*context.store, organization, purpose)?;
        let row = format!("{agent}/{id}");
        let place = place(organization, "credentials", "sealed_secret_mac", &row);
        let sealed_secret_mac = seal(&key, &place, &mac, &*context.rng)?;
        Ok(KeptSecret { scheme, pepper_version, sealed_secret_mac })
    }

    pub(super) fn row(&self) -> SecretRow<'_> {
        SecretRow {
            scheme: self.scheme,
            pepper_version: self.pepper_version,
            sealed_secret_mac: &self.sealed_secret_mac,
        }
    }
}

/// The credential of that id.
pub(crate) fn get(acting: &Acting<'_>, id: &CredentialId) -> Result<Credential, CredentialError> {
    let now = acting.context.now();
    acting.read(Action::SeeCredentials, |tx| {
        Ok(credentials::get(tx, id)?.ok_or(CredentialError::NotFound)?.at(now))
    })
}

/// A page of the agent's credentials, in the order in which they were issued.
pub(crate) fn list(
    acting: &Acting<'_>,
    agent: &AgentId,
    request: &PageRequest,
) -> Result<Page<Credential>, CredentialError> {
    let after = request.cursor().map(|cursor| CredentialId::parse(cursor.as_str())).transpose();
    let after = after.map_err(CredentialError::Cursor)?;
    let (items, now) = (request.items(), acting.context.now());
    let page = acting.read::<_, CredentialError>(Action::SeeCredentials, |tx| {
        agents::get(tx, agent)?.ok_or(CredentialError::NotFound)?;
        Ok(credentials::list(tx, agent, after.as_ref(), items + 1)?)
    })?;
    let mut page: Vec<_> = page.into_iter().map(|credential| credential.at(now)).collect();
    let more = page.len() > items;
    page.truncate(items);
    let last = page.last().filter(|_| more).map(|last| Cursor::new(last.id.as_str()));
    Ok(Page { items: page, next_cursor: last })
}
