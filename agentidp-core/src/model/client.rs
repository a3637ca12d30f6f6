//! Clients: one reading of an agent's rows, and whether somebody who names it is it.

use crate::base::{AgentId, CredentialId, LastSeen, NIL, OrgId, Timestamp, limits};
use crate::crypto::{Alg, PublicKey, constant_time_eq, hexadecimal, hmac_sha256, sha256};

use super::{AgentStatus, ClientSecret, OrgStatus, Refusal, ScopeSet, SecretScheme};

/// A client as a decision needs it: one reading of its rows.
#[derive(Debug)]
pub struct Client {
    /// The agent.
    pub agent_id: AgentId,
    /// Its organization.
    pub organization_id: OrgId,
    /// Its DID.
    pub did: String,
    /// Its name.
    pub name: String,
    /// Whether the agent may act.
    pub agent_status: AgentStatus,
    /// Whether the organization may act.
    pub org_status: OrgStatus,
    /// The scopes it may ask for.
    pub scopes: ScopeSet,
    /// The resources it may ask tokens for.
    pub audiences: Vec<String>,
    /// Where it is called: tokens for this are meant for it.
    pub url: Option<String>,
    /// What its rows say of the tokens that it gets.
    pub terms: TokenTerms,
    /// Its live secrets.
    pub credentials: Vec<ClientCredential>,
    /// Its live public keys, whose private halves it holds.
    pub keys: Vec<ClientKey>,
    /// The algorithm that its tokens are signed with, where it is not the instance's.
    pub token_alg: Option<Alg>,
    /// The agent row's version when it was read.
    pub agent_version: i64,
    /// The organization row's version when it was read.
    pub org_version: i64,
    /// Whether somebody subscribes to its organization's `token.issued`.
    pub token_issued_subscribed: bool,
    /// When the rows were last seen to have those versions.
    pub last_seen: LastSeen,
}

/// What the rows of an agent and its organization say of the tokens that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTerms {
    /// Tokens are void that do not count as issued after this.
    pub not_before: Timestamp,
    /// Most seconds that a token of this organization lives, where it asks for less than the default.
    pub org_life_seconds_max: Option<i64>,
    /// Most seconds that a token of this agent lives.
    pub agent_life_seconds_max: Option<i64>,
    /// Most tokens that the organization issues in a calendar month.
    pub per_month_max: i64,
    /// Most requests that the organization sends in a minute.
    pub per_minute_max: i64,
}

impl TokenTerms {
    /// When a token that is issued `now` counts as issued: after all those that were ended.
    pub fn issued_at(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp::from_micros(self.not_before.as_micros() + 1))
    }

    /// Seconds that a token lives: the least of what all ask for.
    pub fn life_seconds(&self) -> i64 {
        let asked = [self.org_life_seconds_max, self.agent_life_seconds_max];
        asked.into_iter().flatten().fold(limits::TOKEN_LIFE_SECONDS, i64::min).max(1)
    }
}

/// A live secret, as the MAC that it is kept as.
pub struct ClientCredential {
    /// The credential.
    pub credential_id: CredentialId,
    /// What the MAC is of.
    pub scheme: SecretScheme,
    /// The MAC of the secret: see `secret_mac`.
    pub secret_mac: [u8; 32],
    /// The key of the MAC.
    pub pepper_version: i64,
    /// From when it may no longer be used.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientCredential({})", self.credential_id)
    }
}

/// A public key by which a client proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Where it is kept.
    pub proven_by: ProvenBy,
    /// Its name: the thumbprint of RFC 7638.
    pub kid: String,
    /// The key.
    pub key: PublicKey,
    /// From when it may no longer be used.
    pub expires_at: Option<Timestamp>,
}

/// What a client proved itself by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvenBy {
    /// A credential: a secret, or a key that was issued as one.
    Credential(CredentialId),
    /// A key that the agent was registered with, by its name.
    AgentKey(String),
}

/// What a client secret is kept as: HMAC-SHA-256 under the instance's pepper, bound to its place.
///
/// The secret has 256 random bits, so a slow password hash would protect nothing and cost every
/// token 17 ms. In the place of a secret that was imported stands the hexadecimal SHA-256 of it,
/// which is all that is known of it here.
pub(crate) fn secret_mac(
    pepper: &[u8],
    organization: &OrgId,
    agent: &AgentId,
    credential: &CredentialId,
    secret: &str,
) -> [u8; 32] {
    mac_at(pepper, [organization.as_str(), agent.as_str(), credential.as_str()], secret)
}

fn mac_at(pepper: &[u8], ids: [&str; 3], secret: &str) -> [u8; 32] {
    // Ids have one length each, and the secret comes last: the parts cannot run into each other.
    let [organization, agent, credential] = ids.map(str::as_bytes);
    let domain: &[u8] = b"agentidp/secret-mac/v1";
    hmac_sha256(pepper, &[domain, organization, agent, credential, secret.as_bytes()])
}

/// Decides whether `secret` is one of the client's, and whether that one may act. `client` is `None`
/// when nobody goes by the id that was sent: the work is the same, so that a stranger cannot tell an
/// unknown client from a wrong secret by the time it takes.
///
/// # Errors
/// [`Refusal`] when it is none, has expired, or its client may not act.
pub fn authenticate<'a>(
    client: Option<&'a Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    secret: &str,
    now: Timestamp,
) -> Result<(&'a Client, ProvenBy), Refusal> {
    let credential_id = credential_of(client, peppers, secret, now)?;
    let client = client.ok_or(Refusal::UnknownClient)?;
    client.may_act()?;
    Ok((client, ProvenBy::Credential(credential_id)))
}

impl Client {
    /// Whether it may act at all, once it proved to be itself.
    ///
    /// # Errors
    /// [`Refusal`] when it or its organization is not active.
    pub fn may_act(&self) -> Result<(), Refusal> {
        if self.org_status != OrgStatus::Active {
            return Err(Refusal::OrgNotActive);
        }
        if self.agent_status != AgentStatus::Active {
            return Err(Refusal::AgentNotActive);
        }
        Ok(())
    }
}

/// Finds the credential that the secret is of. How much is computed depends on the form of what was
/// sent, never on who is there or what they have.
fn credential_of(
    client: Option<&Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    secret: &str,
    now: Timestamp,
) -> Result<CredentialId, Refusal> {
    // Nobody has a longer one, and hashing it would take the longer the more was sent.
    let secret = if secret.len() > limits::SECRET_BYTES_MAX { "" } else { secret };
    let found = match ClientSecret::parse(secret) {
        Some(sent) => own_credential(client, peppers, &sent),
        None => imported_credential(client, peppers, secret),
    };
    match (client, found) {
        (None, _) => Err(Refusal::UnknownClient),
        (Some(_), None) => Err(Refusal::WrongSecret),
        (Some(_), Some(own)) => {
            if own.expires_at.is_some_and(|expires_at| now >= expires_at) {
                Err(Refusal::ExpiredSecret)
            } else {
                Ok(own.credential_id.clone())
            }
        }
    }
}

/// The credential whose id is inside the secret. One MAC is computed whether it is there or not.
fn own_credential<'a>(
    client: Option<&'a Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    sent: &ClientSecret,
) -> Option<&'a ClientCredential> {
    let known = client.and_then(|client| {
        client.credentials.iter().find(|own| {
            own.scheme == SecretScheme::Own && own.credential_id == *sent.credential_id()
        })
    });
    let right = is_of(client, known, peppers, sent.expose());
    known.filter(|_| right)
}

/// The imported credential whose digest is the secret's. Nothing inside such a secret names its
/// credential, so all that there may be are tried, with others in the place of those that are not.
fn imported_credential<'a>(
    client: Option<&'a Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    secret: &str,
) -> Option<&'a ClientCredential> {
    let digest = hexadecimal(&sha256(&[secret.as_bytes()]));
    let mut imported = client
        .map(|client| client.credentials.as_slice())
        .unwrap_or_default()
        .iter()
        .filter(|own| own.scheme == SecretScheme::Sha256);
    let mut found = None;
    for _ in 0..limits::LIVE_SECRETS_MAX {
        let own = imported.next();
        if is_of(client, own, peppers, &digest) {
            found = own;
        }
    }
    found
}

/// Whether `kept` is the MAC of what was sent. The same is computed where there is none.
fn is_of(
    client: Option<&Client>,
    kept: Option<&ClientCredential>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    sent: &str,
) -> bool {
    let pepper = kept.and_then(|own| peppers(own.pepper_version));
    let ids = [
        client.map_or(NIL, |client| client.organization_id.as_str()),
        client.map_or(NIL, |client| client.agent_id.as_str()),
        kept.map_or(NIL, |own| own.credential_id.as_str()),
    ];
    let mac = mac_at(&pepper.unwrap_or([0; 32]), ids, sent);
    let expected = kept.map_or([0; 32], |own| own.secret_mac);
    constant_time_eq(&mac, &expected) && kept.is_some() && pepper.is_some()
}
