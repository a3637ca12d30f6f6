//! Tokens: what is asked about them, and how they end.

use crate::base::Jti;
use crate::model::{
    AgentInfo, Introspection, IntrospectionRequest, PresentedToken, RevocationRequest, TokenUsage,
};
use crate::ops::{self, AccessError, TokenError};

use super::{Idp, OrgHandle};

impl Idp {
    /// Answers whether a token is active, and what it says (RFC 7662 section 2).
    ///
    /// It is told to the agent that the token was issued to, to one that it is meant for (whose `url`,
    /// DID or client id is an audience of the token), and to one with the scope `tokens:introspect`,
    /// each of the token's own organization; and to the plain handle. Who acts for an agent by a token of
    /// it (RFC 8693) is not the one that its other tokens were issued to. Everybody else learns what is
    /// told of a token that is expired, revoked, of a suspended agent, not ours, or no token at all:
    /// that it is not active, and nothing more.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{IntrospectionRequest, RevocationRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.create_org(NewOrg::new("acme"))?;
    /// # let agent = idp.org(&org.id).register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = idp.org(&org.id).issue_credential(&agent.id, NewCredential::default())?;
    /// # let secret = credential.secret();
    /// let token = idp.token(&TokenRequest::client_credentials(&agent.id, secret))?.access_token;
    /// let question = IntrospectionRequest::new(token.as_str()).client(&agent.id, secret);
    /// assert_eq!(idp.introspect(&question)?.scope.as_deref(), Some("tools:read"));
    ///
    /// idp.revoke(&RevocationRequest::new(token.as_str()).client(&agent.id, secret))?;
    /// let answer = idp.introspect(&question)?;
    /// assert_eq!(serde_json::to_string(&answer)?, r#"{"active":false}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError::Refused`] when the client does not prove itself, [`TokenError::Denied`] when the
    /// bearer that the handle acts for is not active any more, [`TokenError::RateLimited`] by what
    /// [`limit_rate`](Self::limit_rate) was given. A token is never an error.
    pub fn introspect(&self, request: &IntrospectionRequest) -> Result<Introspection, TokenError> {
        ops::introspection::introspect(&self.context, &self.caller, request)
    }

    /// Ends a token (RFC 7009 section 2): that of the client which asks, of any agent of its organization where
    /// it has the scope `tokens:revoke`, and any token at all for the plain handle.
    ///
    /// Tells whether it is a token that is over now. What is no token of ours, or has expired, is not;
    /// RFC 7009 gives the same answer to the outside in either case. Our own API and introspection
    /// refuse the token from now on; who verifies tokens offline accepts it until it expires.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{IntrospectionRequest, RevocationRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request)?.access_token;
    /// assert!(idp.revoke(&RevocationRequest::new(token.as_str()))?);
    /// assert!(!idp.introspect(&IntrospectionRequest::new(token.as_str()))?.active);
    /// // To end what is no token is no failure.
    /// assert!(!idp.revoke(&RevocationRequest::new("no token"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`introspect`](Self::introspect), and [`TokenError::Refused`] with the code
    /// `unauthorized_client` for a token that is not the asker's to end (RFC 7009 section 2.1).
    pub fn revoke(&self, request: &RevocationRequest) -> Result<bool, TokenError> {
        ops::revocation::revoke(&self.context, &self.caller, request)
    }

    /// What an access token with the scope `openid` tells about its agent, for whatever resource it is
    /// meant (OpenID Connect Core section 5.3). Its `sub` is that of the ID token.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # use agentidp_core::{NewAgent, NewCredential, TokenRequest};
    /// let agent = org.register_agent(NewAgent::new("bot").scope("openid"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request.scope("openid"))?;
    /// assert_eq!(idp.agent_info(&token.access_token)?.agent_name, "bot");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AccessError`] when the token is not an access token of ours, its agent is not active, or it
    /// lacks the scope.
    pub fn agent_info(
        &self,
        access_token: impl Into<PresentedToken>,
    ) -> Result<AgentInfo, AccessError> {
        ops::introspection::agent_info(&self.context, &access_token.into())
    }
}

impl OrgHandle {
    /// How much of this month's quota of tokens the organization has used.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// idp.token(&request)?;
    /// let usage = org.usage()?;
    /// assert_eq!((usage.issued, usage.limit), (1, 10_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError::NotFound`] when there is no such organization.
    pub fn usage(&self) -> Result<TokenUsage, TokenError> {
        ops::quota::usage(&self.acting())
    }

    /// Ends a token of one of the organization's agents. Tells whether it is one, and so is over now.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request)?.access_token;
    /// assert!(org.revoke_token(&token)?);
    /// assert!(idp.on_behalf_of(&token).is_err());
    ///
    /// // To another organization it is no token.
    /// let globex = idp.org(&idp.create_org(NewOrg::new("globex"))?.id);
    /// assert!(!globex.revoke_token(&token)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError`] when there is no such organization or the caller may not end its tokens.
    pub fn revoke_token(&self, token: &str) -> Result<bool, TokenError> {
        ops::revocation::revoke_token(&self.acting(), token)
    }

    /// Ends the organization's token of that name, such as the audit trail has it. Tells whether it
    /// could still have been used.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{Jti, PageRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// idp.token(&request)?;
    /// let trail = org.audit(&PageRequest::first())?.items;
    /// let issued = trail.iter().find(|entry| entry.event_type == "token.issued");
    /// let jti = issued.and_then(|entry| entry.target.as_deref()).unwrap_or_default();
    /// assert!(org.revoke_jti(&Jti::parse(jti)?)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token), and when no token of ours has such a name.
    pub fn revoke_jti(&self, jti: &Jti) -> Result<bool, TokenError> {
        ops::revocation::revoke_jti(&self.acting(), jti)
    }
}
