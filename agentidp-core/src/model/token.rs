//! Whether a client gets a token, and which: decided here, without a clock or a database.

use serde::Serialize;

use crate::base::{AgentId, CredentialId, Month, OrgId, SecretString, Timestamp, limits};
use crate::crypto::{constant_time_eq, hexadecimal, hmac_sha256, sha256};
use crate::error::ErrorCode;

use super::{AgentStatus, ClientSecret, Issuer, OrgStatus, ScopeSet, SecretScheme};

/// The scope that asks for an ID token (OpenID Connect Core section 3.1.2.1).
pub(crate) const OPENID: &str = "openid";

/// Families of scopes that our own API guards. They are granted only for the issuer as audience.
const MANAGEMENT: [&str; 9] = [
    "admin:",
    "agents:",
    "audit:",
    "compliance:",
    "credentials:",
    "federation:",
    "tokens:",
    "webhooks:",
    "keys:",
];

/// Scopes of instance administration, which agents of the `system` organization alone may have.
pub(super) const INSTANCE_ADMINISTRATION: &str = "admin:";

/// A request for a token by the client credentials grant (RFC 6749 section 4.4).
///
/// ```
/// use agentidp_core::TokenRequest;
/// let request = TokenRequest::client_credentials("client", "aidp_secret")
///     .scope("tools:read")
///     .resource("https://api.example.com");
/// ```
#[derive(Debug)]
pub struct TokenRequest {
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) scope: Option<String>,
    pub(crate) resources: Vec<String>,
}

impl TokenRequest {
    /// A request of the client `client_id`, which proves itself by its secret.
    pub fn client_credentials(
        client_id: impl ToString,
        client_secret: impl Into<SecretString>,
    ) -> TokenRequest {
        TokenRequest {
            client_id: client_id.to_string(),
            client_secret: client_secret.into(),
            scope: None,
            resources: Vec::new(),
        }
    }

    /// Asks for these scopes, separated by spaces. All that the audience admits unless given.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> TokenRequest {
        self.scope = Some(scope.into());
        self
    }

    /// Asks for a token for this resource (RFC 8707).
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> TokenRequest {
        self.resources.push(resource.into());
        self
    }
}

/// The answer of the token endpoint (RFC 6749 section 5.1).
#[derive(Serialize)]
pub struct TokenResponse {
    /// The access token (RFC 9068).
    pub access_token: String,
    /// How it is presented: `Bearer`.
    pub token_type: &'static str,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// The scopes granted; absent when none were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The ID token, when `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse").field("scope", &self.scope).finish_non_exhaustive()
    }
}

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
    /// The agent row's version when it was read.
    pub agent_version: i64,
    /// The organization row's version when it was read.
    pub org_version: i64,
    /// Whether somebody subscribes to its organization's `token.issued`.
    pub token_issued_subscribed: bool,
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

/// How much of its month's quota an organization has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenUsage {
    /// The calendar month in UTC.
    pub month: Month,
    /// Tokens issued in it. On PostgreSQL those that other processes have set aside count as issued.
    pub issued: i64,
    /// Most tokens that may be.
    pub limit: i64,
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
    // Ids have one length each, and the secret comes last: the parts cannot run into each other.
    let ids = [organization.as_str(), agent.as_str(), credential.as_str()].map(str::as_bytes);
    let [organization, agent, credential] = ids;
    let domain: &[u8] = b"agentidp/secret-mac/v1";
    hmac_sha256(pepper, &[domain, organization, agent, credential, secret.as_bytes()])
}

/// Why a request is refused. Strangers are told the code alone; the audit log is told all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such client.
    UnknownClient,
    /// The secret is none of the client's live ones.
    WrongSecret,
    /// The secret has expired.
    ExpiredSecret,
    /// The agent is suspended or decommissioned.
    AgentNotActive,
    /// The organization is suspended or deleted.
    OrgNotActive,
    /// A scope is malformed.
    MalformedScope,
    /// A scope is not the agent's to ask for, or not for this audience.
    ScopeNotAllowed,
    /// A resource is not one of the agent's audiences.
    ResourceNotAllowed,
    /// Several resources were asked for at once.
    AudienceUndecided,
}

impl Refusal {
    /// The row of the error table. Everything about who the client is has one and the same.
    pub fn code(self) -> ErrorCode {
        match self {
            Refusal::UnknownClient
            | Refusal::WrongSecret
            | Refusal::ExpiredSecret
            | Refusal::AgentNotActive
            | Refusal::OrgNotActive => ErrorCode::InvalidClient,
            Refusal::MalformedScope | Refusal::ScopeNotAllowed => ErrorCode::InvalidScope,
            Refusal::ResourceNotAllowed | Refusal::AudienceUndecided => ErrorCode::InvalidTarget,
        }
    }

    /// Whether the client had proved itself before it was refused.
    pub fn is_authenticated(self) -> bool {
        !matches!(self, Refusal::UnknownClient | Refusal::WrongSecret | Refusal::ExpiredSecret)
    }

    /// The reason as the audit log has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::UnknownClient => "unknown_client",
            Refusal::WrongSecret => "wrong_secret",
            Refusal::ExpiredSecret => "expired_secret",
            Refusal::AgentNotActive => "agent_not_active",
            Refusal::OrgNotActive => "org_not_active",
            Refusal::MalformedScope => "malformed_scope",
            Refusal::ScopeNotAllowed => "scope_not_allowed",
            Refusal::ResourceNotAllowed => "resource_not_allowed",
            Refusal::AudienceUndecided => "audience_undecided",
        }
    }
}

/// What a token may say.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// For whom the token is meant.
    pub audience: String,
    /// What it allows.
    pub scopes: ScopeSet,
    /// Whether an ID token comes with it.
    pub id_token: bool,
    /// By which credential.
    pub credential_id: CredentialId,
    /// For how many seconds it is valid.
    pub life_seconds: i64,
}

/// Decides on a request. `client` is `None` when nobody goes by that id: the work is the same, so
/// that a stranger cannot tell an unknown client from a wrong secret by the time it takes.
pub fn decide(
    client: Option<&Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    request: &TokenRequest,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<Grant, Refusal> {
    let (client, credential_id) =
        authenticate(client, peppers, request.client_secret.expose(), now)?;
    let audience = audience(client, &request.resources, issuer)?;
    let scopes = scopes(client, request.scope.as_deref(), &audience, issuer)?;
    Ok(Grant {
        id_token: scopes.contains(OPENID),
        audience,
        scopes,
        credential_id,
        life_seconds: client.terms.life_seconds(),
    })
}

/// Decides whether a request comes from the client that it names, and whether that one may act.
/// `client` is as [`decide`] takes it.
pub fn authenticate<'a>(
    client: Option<&'a Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    secret: &str,
    now: Timestamp,
) -> Result<(&'a Client, CredentialId), Refusal> {
    let credential_id = credential_of(client, peppers, secret, now)?;
    let client = client.ok_or(Refusal::UnknownClient)?;
    if client.org_status != OrgStatus::Active {
        return Err(Refusal::OrgNotActive);
    }
    if client.agent_status != AgentStatus::Active {
        return Err(Refusal::AgentNotActive);
    }
    Ok((client, credential_id))
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
    let nobody = OrgId::system();
    let organization = client.map_or(&nobody, |client| &client.organization_id);
    let no_agent = AgentId::nil();
    let agent = client.map_or(&no_agent, |client| &client.agent_id);
    let no_credential = CredentialId::from_bytes([0; 16]);
    let credential = kept.map_or(&no_credential, |own| &own.credential_id);
    let mac = secret_mac(&pepper.unwrap_or([0; 32]), organization, agent, credential, sent);
    let expected = kept.map_or([0; 32], |own| own.secret_mac);
    constant_time_eq(&mac, &expected) && kept.is_some() && pepper.is_some()
}

/// Without a resource: the agent's only audience, or the issuer when it has none or several. Several
/// audiences in one token would let each of them use it at the others, so one at most is asked for.
fn audience(client: &Client, resources: &[String], issuer: &Issuer) -> Result<String, Refusal> {
    match (resources, client.audiences.as_slice()) {
        ([], []) => Ok(issuer.as_str().to_owned()),
        ([], [only]) => Ok(only.clone()),
        ([], _) => Ok(issuer.as_str().to_owned()),
        ([asked], own) => {
            if asked == issuer.as_str() || own.contains(asked) {
                Ok(asked.clone())
            } else {
                Err(Refusal::ResourceNotAllowed)
            }
        }
        _ => Err(Refusal::AudienceUndecided),
    }
}

/// Management scopes belong to tokens for ourselves, and to no others.
fn scopes(
    client: &Client,
    asked: Option<&str>,
    audience: &str,
    issuer: &Issuer,
) -> Result<ScopeSet, Refusal> {
    let for_us = audience == issuer.as_str();
    let management = |scope: &str| MANAGEMENT.iter().any(|family| scope.starts_with(family));
    let of_system = client.organization_id == OrgId::system();
    let instance = |scope: &str| scope.starts_with(INSTANCE_ADMINISTRATION);
    let admitted = |scope: &str| (for_us || !management(scope)) && (of_system || !instance(scope));
    match asked {
        None => Ok(client.scopes.filtered(|scope| admitted(scope) && scope != OPENID)),
        Some(text) => {
            let asked = ScopeSet::parse(text).map_err(|_| Refusal::MalformedScope)?;
            if asked.iter().all(|scope| client.scopes.contains(scope) && admitted(scope)) {
                Ok(asked)
            } else {
                Err(Refusal::ScopeNotAllowed)
            }
        }
    }
}

#[cfg(test)]
mod tests;
