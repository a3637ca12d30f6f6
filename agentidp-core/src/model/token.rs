//! Whether a client gets a token, and which: decided here, without a clock or a database.

use serde::Serialize;

use crate::base::{AgentId, JsonObject, Jti, Month, OrgId, SecretString};

use super::exchange::{Exchange, TokenExchange};
use super::{ActorChain, Client, ClientAuth, DpopProof, Issuer, ProvenBy, Refusal, ScopeSet};

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

/// A request for a token: by the client credentials grant (RFC 6749 section 4.4), or in exchange for
/// another token (RFC 8693).
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
/// use agentidp_core::TokenRequest;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let new = NewAgent::new("bot").scope("tools:read").scope("tools:write");
/// # let new = new.audience("https://api.example.com").audience("https://other.example.com");
/// # let agent = org.register_agent(new)?;
/// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// let request = TokenRequest::client_credentials(&agent.client_id, credential.secret())
///     .scope("tools:read")
///     .resource("https://api.example.com");
/// let token = idp.token(&request)?;
/// assert_eq!(token.scope.as_deref(), Some("tools:read"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokenRequest {
    pub(crate) auth: ClientAuth,
    pub(crate) scope: Option<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) may_act: Option<String>,
    pub(crate) exchange: Option<TokenExchange>,
    pub(crate) dpop: Option<DpopProof>,
}

impl TokenRequest {
    /// A request of the client that `auth` proves.
    pub fn new(auth: ClientAuth) -> TokenRequest {
        TokenRequest {
            auth,
            scope: None,
            resources: Vec::new(),
            may_act: None,
            exchange: None,
            dpop: None,
        }
    }

    /// A request of the client `client_id`, which proves itself by its secret.
    pub fn client_credentials(
        client_id: impl ToString,
        client_secret: impl Into<SecretString>,
    ) -> TokenRequest {
        TokenRequest::new(ClientAuth::secret(client_id, client_secret))
    }

    /// Asks for these scopes, separated by spaces (RFC 6749 section 3.3). All that the audience admits unless
    /// given, but for `openid`.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> TokenRequest {
        self.scope = Some(scope.into());
        self
    }

    /// Asks for a token for this resource (RFC 8707 section 2): one of the agent's audiences, byte for byte,
    /// or the issuer. One at most may be asked for.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> TokenRequest {
        self.resources.push(resource.into());
        self
    }

    /// Lets the agent of that id act for the token's subject: it may exchange the token for one of its
    /// own (RFC 8693 section 4.4).
    #[must_use]
    pub fn may_act(mut self, agent: impl ToString) -> TokenRequest {
        self.may_act = Some(agent.to_string());
        self
    }

    /// Asks for a token in exchange for another (RFC 8693 section 2.1), instead of one for the client itself.
    #[must_use]
    pub fn exchange(mut self, exchange: TokenExchange) -> TokenRequest {
        self.exchange = Some(exchange);
        self
    }

    /// Binds the token to the key of this proof (RFC 9449 section 5). See
    /// [`Idp::dpop_nonce`](crate::Idp::dpop_nonce).
    #[must_use]
    pub fn dpop(mut self, proof: DpopProof) -> TokenRequest {
        self.dpop = Some(proof);
        self
    }
}

/// The answer of the token endpoint (RFC 6749 section 5.1).
#[derive(Serialize)]
pub struct TokenResponse {
    /// The access token (RFC 9068).
    pub access_token: String,
    /// What was issued in exchange for another token (RFC 8693 section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// How it is presented: `Bearer`, or `DPoP` when it is bound to a key.
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

impl TokenResponse {
    /// The body of the answer, byte for byte what `serde_json` makes of it, but sooner: a token is long, and
    /// nothing in it needs an escape.
    ///
    /// ```
    /// let answer = agentidp_core::TokenResponse {
    ///     access_token: "header.payload.signature".to_owned(),
    ///     issued_token_type: None,
    ///     token_type: "Bearer",
    ///     expires_in: 3600,
    ///     scope: Some("tools:read".to_owned()),
    ///     id_token: None,
    /// };
    /// assert_eq!(answer.to_json(), serde_json::to_string(&answer).unwrap());
    /// ```
    pub fn to_json(&self) -> String {
        let tokens = [Some(&self.access_token), self.scope.as_ref(), self.id_token.as_ref()];
        let bytes: usize = tokens.into_iter().flatten().map(String::len).sum();
        let mut answer = JsonObject::with_capacity(bytes + NAMES_BYTES);
        answer.text("access_token", &self.access_token);
        answer.text_if_any("issued_token_type", self.issued_token_type);
        answer.text("token_type", self.token_type);
        answer.bare("expires_in", self.expires_in);
        answer.text_if_any("scope", self.scope.as_deref());
        answer.text_if_any("id_token", self.id_token.as_deref());
        answer.end()
    }
}

/// Bytes of an answer besides its tokens and scopes, at most.
const NAMES_BYTES: usize = 192;

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse").field("scope", &self.scope).finish_non_exhaustive()
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

/// What a token may say.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// For whom the token is meant.
    pub audience: String,
    /// What it allows.
    pub scopes: ScopeSet,
    /// Whether an ID token comes with it.
    pub id_token: bool,
    /// By what the client proved itself.
    pub proven_by: ProvenBy,
    /// For how many seconds it is valid.
    pub life_seconds: i64,
    /// Whom the client acts for, where the token is issued in exchange for that one's.
    pub exchanged: Option<Exchanged>,
    /// Who may act for the subject.
    pub may_act: Option<AgentId>,
}

/// Whom a token is about that was issued in exchange for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// The subject: the agent that the other token is about.
    pub subject: AgentId,
    /// Its DID.
    pub did: String,
    /// Who acts for it.
    pub actors: ActorChain,
    /// Who acted for it by the other token.
    pub actors_before: ActorChain,
    /// The name of the other token.
    pub subject_jti: Jti,
}

/// Decides what a client that proved itself gets.
///
/// # Errors
/// [`Refusal`] when it is not what was asked for.
pub fn decide(
    client: &Client,
    proven_by: ProvenBy,
    request: &TokenRequest,
    exchange: Option<&Exchange>,
    issuer: &Issuer,
) -> Result<Grant, Refusal> {
    let audience = audience(client, &request.resources, issuer)?;
    let admitted = Admitted { client, for_us: audience == issuer.as_str() };
    let may_act = request.may_act.as_deref().map(AgentId::parse).transpose();
    let may_act = may_act.map_err(|_| Refusal::MalformedMayAct)?;
    let life_seconds = client.terms.life_seconds();
    let asked = request.scope.as_deref();
    let Some(exchange) = exchange else {
        let scopes = admitted.scopes(&client.scopes, asked)?;
        let id_token = scopes.contains(OPENID);
        let exchanged = None;
        return Ok(Grant {
            audience,
            scopes,
            id_token,
            proven_by,
            life_seconds,
            exchanged,
            may_act,
        });
    };
    let exchanged = exchange.decide(client)?;
    Ok(Grant {
        scopes: admitted.scopes(&exchange.scopes(), asked)?,
        id_token: false,
        life_seconds: exchange.life_seconds(life_seconds),
        audience,
        proven_by,
        exchanged: Some(exchanged),
        may_act,
    })
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

/// Which scopes a token of `client` may have. Management scopes belong to tokens for ourselves, and to
/// no others.
struct Admitted<'a> {
    client: &'a Client,
    for_us: bool,
}

impl Admitted<'_> {
    fn admits(&self, scope: &str) -> bool {
        let management = MANAGEMENT.iter().any(|family| scope.starts_with(family));
        let instance = scope.starts_with(INSTANCE_ADMINISTRATION);
        let of_system = self.client.organization_id == OrgId::system();
        (self.for_us || !management) && (of_system || !instance)
    }

    /// What was asked for, of the scopes in `own`; all of them but `openid` where nothing was.
    fn scopes(&self, own: &ScopeSet, asked: Option<&str>) -> Result<ScopeSet, Refusal> {
        let Some(text) = asked else {
            return Ok(own.filtered(|scope| self.admits(scope) && scope != OPENID));
        };
        let asked = ScopeSet::parse(text).map_err(|_| Refusal::MalformedScope)?;
        if asked.iter().all(|scope| own.contains(scope) && self.admits(scope)) {
            Ok(asked)
        } else {
            Err(Refusal::ScopeNotAllowed)
        }
    }
}

#[cfg(test)]
mod tests;
