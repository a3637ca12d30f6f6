//! The handle to one organization.

use std::sync::Arc;

use crate::audit::{ChainReport, StoredEntry};
use crate::base::{AgentId, OrgId, Page, PageRequest};
use crate::model::{Agent, Caller, IssuedCredential, NewAgent, NewCredential, Org};
use crate::ops::{self, Acting, AgentError, AuditError, Context, CredentialError, OrgError};

/// One organization of an instance. The scope of all that it does is fixed here.
///
/// Besides what each verb says, its error may be `Fault`, when the database or a key fails, and `Denied`,
/// where the handle acts [for somebody](crate::Idp::on_behalf_of) who may not do that, or the organization
/// is deleted.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_core::{ErrorCode, NewAgent, NewOrg};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// let acme = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// let globex = idp.org(&idp.create_org(NewOrg::new("globex"))?.id);
/// let bot = acme.register_agent(NewAgent::new("bot"))?;
/// assert_eq!(acme.agent(&bot.id)?.name, "bot");
/// // What is in another organization is not there.
/// assert_eq!(globex.agent(&bot.id).unwrap_err().code(), ErrorCode::NotFound);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OrgHandle {
    pub(super) context: Arc<Context>,
    pub(super) organization: OrgId,
    pub(super) caller: Arc<Caller>,
}

impl std::fmt::Debug for OrgHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrgHandle({})", self.organization)
    }
}

impl OrgHandle {
    pub(super) fn acting(&self) -> Acting<'_> {
        Acting { context: &self.context, organization: &self.organization, caller: &self.caller }
    }

    /// The organization itself.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// use agentidp_core::PlanTier;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let acme = org.get()?;
    /// assert_eq!((acme.slug.as_str(), acme.plan_tier), ("acme", PlanTier::Free));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::NotFound`] when there is no such organization.
    pub fn get(&self) -> Result<Org, OrgError> {
        ops::orgs::get(&self.acting())
    }

    /// Registers an agent. Its DID and the keys that are held for it are made with it.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// use agentidp_core::NewAgent;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let agent = NewAgent::new("invoice-bot").scope("tools:read").audience("https://api.example.com");
    /// let agent = org.register_agent(agent.owner("finance@acme.example"))?;
    /// assert_eq!(agent.did, format!("did:web:idp.example.com:agents:{}", agent.id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError`] when a value breaks a rule, a public key is refused, the organization is not there or
    /// not active, or it may not have one more agent.
    pub fn register_agent(&self, agent: NewAgent) -> Result<Agent, AgentError> {
        ops::agents::register(&self.acting(), agent)
    }

    /// The agent of that id.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let registered = org.register_agent(NewAgent::new("bot"))?;
    /// assert_eq!(org.agent(&registered.id)?, registered);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AgentError::NotFound`] when this organization has none by that id.
    pub fn agent(&self, id: &AgentId) -> Result<Agent, AgentError> {
        ops::agents::get(&self.acting(), id)
    }

    /// Issues a client secret for an agent. It is shown in the answer and never again.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::NewCredential;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// use std::time::Duration;
    /// let quarter = NewCredential::default().expires_in(Duration::from_secs(90 * 24 * 3600));
    /// let credential = org.issue_credential(&agent.id, quarter)?;
    /// // The only time that it can be seen.
    /// assert!(credential.secret().starts_with("aidp_"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError`] when there is no such agent, it is not active or may not have one more secret,
    /// or when the secret would live for less than a second.
    pub fn issue_credential(
        &self,
        agent: &AgentId,
        credential: NewCredential,
    ) -> Result<IssuedCredential, CredentialError> {
        ops::credentials::issue(&self.acting(), agent, credential)
    }

    /// A page of the audit trail, in its order.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::PageRequest;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// let page = org.audit(&PageRequest::first())?;
    /// let events: Vec<_> = page.items.iter().map(|entry| entry.event_type.as_str()).collect();
    /// assert_eq!(events, ["org.created", "agent.created"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AuditError`] when there is no such organization or the cursor is not one.
    pub fn audit(&self, page: &PageRequest) -> Result<Page<StoredEntry>, AuditError> {
        ops::audit::list(&self.acting(), page)
    }

    /// Verifies the audit trail against itself: every hash, every link, every number, the head.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// let report = org.verify_audit()?;
    /// assert_eq!((report.valid, report.size), (true, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AuditError`] when it cannot be read. That it is broken is an answer, not an error.
    pub fn verify_audit(&self) -> Result<ChainReport, AuditError> {
        ops::audit::verify(&self.acting(), &mut |_| {})
    }

    /// As [`verify_audit`](Self::verify_audit); `progress` is told after every thousand entries, and
    /// at the end, how many are done, since a long trail takes a while.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let mut done = 0;
    /// let report = org.verify_audit_telling(&mut |entries| done = entries)?;
    /// assert_eq!((report.valid, done), (true, report.size));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`verify_audit`](Self::verify_audit).
    pub fn verify_audit_telling(
        &self,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ChainReport, AuditError> {
        ops::audit::verify(&self.acting(), progress)
    }

    /// The key by which this organization's log is verified (C2SP signed note).
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let acme = idp.create_org(NewOrg::new("acme"))?;
    /// let key = idp.org(&acme.id).audit_key()?;
    /// assert!(key.starts_with(&format!("idp.example.com/audit/{}+", acme.id)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AuditError`] when the log's key is missing.
    pub fn audit_key(&self) -> Result<String, AuditError> {
        Ok(ops::audit::verifier_key(&self.context, &self.organization)?)
    }
}
