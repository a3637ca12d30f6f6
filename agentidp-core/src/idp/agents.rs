//! What one may do with the agents of an organization.

use std::time::Duration;

use crate::base::{AgentId, Page, PageRequest};
use crate::model::{Agent, AgentChanges, AgentFilter, AgentKey, Transition};
use crate::ops::{self, AgentError};

use super::OrgHandle;

impl OrgHandle {
    /// A page of the organization's agents, in the order of their ids.
    ///
    /// ```
    /// use agentidp_core::{AgentFilter, AgentStatus, PageRequest};
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// org.register_agent(NewAgent::new("invoice-bot"))?;
    /// let active = AgentFilter::Status(AgentStatus::Active);
    /// let page = org.list_agents(&active, &PageRequest::first())?;
    /// assert_eq!(page.items[0].name, "invoice-bot");
    /// assert!(page.next_cursor.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError`] when there is no such organization or the cursor is not one.
    pub fn list_agents(
        &self,
        filter: &AgentFilter,
        page: &PageRequest,
    ) -> Result<Page<Agent>, AgentError> {
        ops::agents::list(&self.acting(), filter, page)
    }

    /// Changes what an agent is registered with. What `changes` does not name stays as it is.
    ///
    /// ```
    /// use agentidp_core::AgentChanges;
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let agent = org.register_agent(NewAgent::new("bot"))?;
    /// let changes = AgentChanges::new().name("invoice-bot").expected_version(agent.version());
    /// assert_eq!(org.update_agent(&agent.id, &changes)?.name, "invoice-bot");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError`] when there is no such agent, a value breaks a rule, the agent is decommissioned or at
    /// another version than expected, or the caller would grant a scope that it does not hold.
    pub fn update_agent(&self, id: &AgentId, changes: &AgentChanges) -> Result<Agent, AgentError> {
        ops::agents::update(&self.acting(), id, changes)
    }

    /// Suspends an agent: it gets no tokens, and those it has end. One that is suspended stays so.
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
    /// org.suspend_agent(&agent.id)?;
    /// assert!(idp.token(&request).is_err());
    /// org.reactivate_agent(&agent.id)?;
    /// // New tokens are had by the same secret; those from before stay void.
    /// idp.token(&request)?;
    /// assert!(idp.on_behalf_of(&token).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::Decommissioned`] when it is; [`AgentError::NotFound`].
    pub fn suspend_agent(&self, id: &AgentId) -> Result<Agent, AgentError> {
        ops::agent_status::change(&self.acting(), id, Transition::Suspend)
    }

    /// Lets a suspended agent act again, by the credentials it had and with new tokens. One that is
    /// active stays so.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::AgentStatus;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let agent = org.register_agent(NewAgent::new("bot"))?;
    /// assert_eq!(org.suspend_agent(&agent.id)?.status, AgentStatus::Suspended);
    /// assert_eq!(org.reactivate_agent(&agent.id)?.status, AgentStatus::Active);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::Decommissioned`] when it is; [`AgentError::NotFound`].
    pub fn reactivate_agent(&self, id: &AgentId) -> Result<Agent, AgentError> {
        ops::agent_status::change(&self.acting(), id, Transition::Reactivate)
    }

    /// Decommissions an agent, for good: its tokens end, its credentials and keys are revoked, the
    /// private keys held for it are destroyed, and it counts among the organization's agents no more.
    /// Its id stays its own. One that is decommissioned stays so.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::AgentStatus;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// let gone = org.decommission_agent(&agent.id)?;
    /// assert_eq!(gone.status, AgentStatus::Decommissioned);
    /// assert!(org.reactivate_agent(&agent.id).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::Member`] when it is the organization's last owner; [`AgentError::NotFound`] when this
    /// organization has none by that id.
    pub fn decommission_agent(&self, id: &AgentId) -> Result<Agent, AgentError> {
        ops::agent_status::change(&self.acting(), id, Transition::Decommission)
    }

    /// Replaces the key that is held for an agent. The old one is published for `overlap` more, at
    /// most 90 days, and signs no more.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// use std::time::Duration;
    /// let old = &org.agent_keys(&agent.id)?[0];
    /// let new = org.rotate_agent_keys(&agent.id, Duration::from_secs(24 * 3600))?;
    /// assert_ne!(new.kid, old.kid);
    /// // Both are published for a day.
    /// assert_eq!(org.agent_keys(&agent.id)?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError`] when there is no such agent, it is not active or has too many keys published
    /// already, or `overlap` is longer than 90 days.
    pub fn rotate_agent_keys(
        &self,
        id: &AgentId,
        overlap: Duration,
    ) -> Result<AgentKey, AgentError> {
        ops::agent_keys::rotate(&self.acting(), id, overlap)
    }

    /// Registers a public key, as a JWK or as PEM, whose private half the agent holds. It goes by its
    /// thumbprint (RFC 7638), whatever name the JWK gives it.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::Custody;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let key = org.add_agent_key(&agent.id, key)?;
    /// assert_eq!(key.custody, Custody::HeldByAgent);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::Key`] when it is no public signature key that we accept; [`AgentError`] when the
    /// agent is not active, has the key already, or has too many.
    pub fn add_agent_key(&self, id: &AgentId, jwk_or_pem: &str) -> Result<AgentKey, AgentError> {
        ops::agent_keys::add(&self.acting(), id, jwk_or_pem)
    }

    /// Ends a key of an agent for good, by its thumbprint: it is published no more and proves nothing. Tokens
    /// that were issued by it live on. An agent whose own key leaked is given a new one before this ends the
    /// old.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let leaked = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let key = org.add_agent_key(&agent.id, leaked)?;
    /// org.revoke_agent_key(&agent.id, &key.kid)?;
    /// // Nor does it come back.
    /// assert!(org.add_agent_key(&agent.id, leaked).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::KeyNotFound`] when no such key of the agent is published; [`AgentError::NotFound`] when
    /// this organization has no such agent.
    pub fn revoke_agent_key(&self, id: &AgentId, kid: &str) -> Result<(), AgentError> {
        ops::agent_keys::revoke(&self.acting(), id, kid)
    }

    /// The public halves of an agent's keys that are published, the oldest first.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::Custody;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let agent = org.register_agent(NewAgent::new("bot"))?;
    /// // The one that was made with the agent, whose private half is held here.
    /// let keys = org.agent_keys(&agent.id)?;
    /// assert_eq!((keys.len(), keys[0].custody), (1, Custody::Custodial));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::NotFound`] when this organization has no such agent.
    pub fn agent_keys(&self, id: &AgentId) -> Result<Vec<AgentKey>, AgentError> {
        ops::agent_keys::list(&self.acting(), id)
    }
}
