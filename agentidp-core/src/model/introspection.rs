//! Questions about tokens of ours: what is asked, who may know, and what is answered.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::base::{AgentId, OrgId, SecretString};

use super::{Action, ClientAuth, ScopeSet};

macro_rules! presented_token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            pub(crate) token: SecretString,
            pub(crate) client: Option<ClientAuth>,
        }

        impl $name {
            /// A request about `token`, made by whom the handle acts for.
            pub fn new(token: impl Into<SecretString>) -> $name {
                $name { token: token.into(), client: None }
            }

            /// Makes it a request of the client `client_id`, which proves itself by its secret, whoever
            /// the handle acts for. What comes from outside says this or is asked of
            /// [`Idp::on_behalf_of`](crate::Idp::on_behalf_of): the plain handle may know everything.
            #[must_use]
            pub fn client(
                self,
                client_id: impl ToString,
                client_secret: impl Into<SecretString>,
            ) -> $name {
                self.client_auth(ClientAuth::secret(client_id, client_secret))
            }

            /// As [`client`](Self::client), by whatever the client proves itself.
            #[must_use]
            pub fn client_auth(mut self, auth: ClientAuth) -> $name {
                self.client = Some(auth);
                self
            }
        }
    };
}

presented_token! {
    /// A question whether a token is active, and what it says (RFC 7662 section 2.1). Ask it of
    /// [`Idp::introspect`](crate::Idp::introspect).
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::IntrospectionRequest;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let new = NewAgent::new("bot").audience("https://api.example.com");
    /// # let agent = org.register_agent(new)?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let api = org.register_agent(NewAgent::new("api").url("https://api.example.com"))?;
    /// # let own = org.issue_credential(&api.id, NewCredential::default())?;
    /// let token = idp.token(&request)?.access_token;
    /// // The service at the token's audience, which is an agent itself, asks by its own secret.
    /// let question = IntrospectionRequest::new(token.as_str()).client(&api.client_id, own.secret());
    /// let answer = idp.introspect(&question)?;
    /// assert!(answer.active);
    /// assert_eq!(answer.client_id.as_deref(), Some(agent.client_id.as_str()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    IntrospectionRequest
}
presented_token! {
    /// A request to end a token before it expires (RFC 7009 section 2.1). Make it of
    /// [`Idp::revoke`](crate::Idp::revoke).
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{ErrorCode, RevocationRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let other = org.register_agent(NewAgent::new("other"))?;
    /// # let others = org.issue_credential(&other.id, NewCredential::default())?;
    /// let token = idp.token(&request)?.access_token;
    /// let by_another = RevocationRequest::new(token.as_str()).client(&other.client_id, others.secret());
    /// let refused = idp.revoke(&by_another).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::UnauthorizedClient);
    ///
    /// let its_own = RevocationRequest::new(token.as_str()).client(&agent.client_id, credential.secret());
    /// assert!(idp.revoke(&its_own)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    RevocationRequest
}

/// The answer to an [`IntrospectionRequest`] (RFC 7662 section 2.2). Of a token that is not active, or
/// is not for the asker to know, it says nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether it is a token of ours that may be used now, as far as the asker may know.
    pub active: bool,
    /// What it allows: scopes separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The client that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// How it is presented: `Bearer`, or `DPoP` when it is bound to a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// The second from which it is no longer valid, counted from 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// The second in which it was issued, counted from 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The agent's organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// The agent's DID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_did: Option<String>,
    /// Who acts for the subject (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Value>,
    /// The key that its holder must prove to have (RFC 7800 section 3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Value>,
}

/// One audience is written as a string, as in the token.
fn one_or_many<S: Serializer>(audiences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audiences {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}

/// What an agent's own access token tells about it at `/agent-info` (OpenID Connect Core section 5.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentInfo {
    /// The agent: the `sub` of its ID tokens.
    pub sub: String,
    /// Its organization.
    pub organization_id: String,
    /// Its DID.
    pub agent_did: String,
    /// Its name.
    pub agent_name: String,
}

/// Who asks about a token, or wants it ended.
#[derive(Debug)]
pub(crate) enum Asker {
    /// The process that embeds this library.
    Operator,
    /// An agent.
    Agent(AskingAgent),
}

/// An agent that asks about a token, by its secret or by an access token of its own.
#[derive(Debug)]
pub(crate) struct AskingAgent {
    pub(crate) agent_id: AgentId,
    /// Whether another acts for it by the access token.
    pub(crate) is_delegated: bool,
    pub(crate) organization_id: OrgId,
    pub(crate) did: String,
    /// Where the agent is called.
    pub(crate) url: Option<String>,
    /// What it is registered with, or what its access token allows; or what of it a policy leaves.
    pub(crate) scopes: ScopeSet,
}

/// What of a token decides who may know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) organization_id: &'a OrgId,
    pub(crate) client_id: &'a str,
    pub(crate) audiences: &'a [String],
}

impl Asker {
    /// Whether the asker may know what the token says: the agent that it was issued to, one that it is
    /// meant for, and one whose scopes say so, each in the token's own organization. Who acts for the agent
    /// has what its token says and not the agent's other tokens.
    pub(crate) fn may_know(&self, token: Subject<'_>) -> bool {
        self.has_leave(token, |agent| {
            agent.is_audience(token.audiences)
                || Action::IntrospectTokens.is_allowed_by(&agent.scopes)
        })
    }

    /// Whether the asker may end the token: the agent that it was issued to, and one whose scopes say
    /// so.
    pub(crate) fn may_end(&self, token: Subject<'_>) -> bool {
        self.has_leave(token, |agent| Action::RevokeTokens.is_allowed_by(&agent.scopes))
    }

    fn has_leave(&self, token: Subject<'_>, else_by: impl Fn(&AskingAgent) -> bool) -> bool {
        let Asker::Agent(agent) = self else { return true };
        let own = !agent.is_delegated && agent.agent_id.as_str() == token.client_id;
        agent.organization_id == *token.organization_id && (own || else_by(agent))
    }
}

impl AskingAgent {
    /// Whether a token for `audiences` is meant for this agent: one of them is the URL that it is
    /// registered to be called at, its DID or its client id, byte for byte. The audiences that it may
    /// ask tokens *for* are others' and make it none of them.
    fn is_audience(&self, audiences: &[String]) -> bool {
        let own = [Some(self.agent_id.as_str()), Some(self.did.as_str()), self.url.as_deref()];
        own.into_iter().flatten().any(|own| audiences.iter().any(|audience| audience == own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://bot.example.com";

    fn org(last: &str) -> OrgId {
        OrgId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap()
    }

    fn agent(last: &str, scopes: &str) -> AskingAgent {
        AskingAgent {
            agent_id: AgentId::parse(&format!("01900000-0000-7000-8000-0000000000a{last}"))
                .unwrap(),
            is_delegated: false,
            organization_id: org("1"),
            did: format!("did:web:example.com:agents:{last}"),
            url: (last == "2").then(|| URL.to_owned()),
            scopes: ScopeSet::parse(scopes).unwrap(),
        }
    }

    #[test]
    fn a_token_is_known_to_its_owner_its_audience_and_who_may_introspect() {
        let owner = agent("1", "").agent_id;
        let ask = |asker: AskingAgent, audience: &str, organization: &OrgId| {
            let audiences = [audience.to_owned()];
            let token = Subject {
                organization_id: organization,
                client_id: owner.as_str(),
                audiences: &audiences,
            };
            let asker = Asker::Agent(asker);
            (asker.may_know(token), asker.may_end(token))
        };
        let (own, other) = (org("1"), org("2"));
        assert_eq!(ask(agent("1", ""), URL, &own), (true, true), "its owner");
        assert_eq!(ask(agent("2", ""), URL, &own), (true, false), "by its URL");
        assert_eq!(ask(agent("2", ""), "did:web:example.com:agents:2", &own), (true, false));
        let id = agent("2", "").agent_id;
        assert_eq!(ask(agent("2", ""), id.as_str(), &own), (true, false), "by its client id");
        for near in ["https://bot.example.com/", "https://BOT.example.com", "https://bot.example"] {
            assert_eq!(ask(agent("2", ""), near, &own), (false, false), "{near}");
        }
        assert_eq!(ask(agent("3", "tools:read"), URL, &own), (false, false), "anybody else");
        assert_eq!(ask(agent("3", "tokens:introspect"), URL, &own), (true, false));
        assert_eq!(ask(agent("3", "tokens:revoke"), URL, &own), (false, true));
        for asker in [agent("1", ""), agent("2", ""), agent("3", "tokens:introspect tokens:revoke")]
        {
            assert_eq!(ask(asker, URL, &other), (false, false), "another organization's token");
        }
    }
}
