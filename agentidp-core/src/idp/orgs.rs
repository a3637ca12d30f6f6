//! Organizations: listing them, changing them, and how they come and go.

use std::time::Duration;

use crate::base::{AgentId, Page, PageRequest};
use crate::model::{Member, Org, OrgChanges, OrgFootprint, OrgTransition, Role};
use crate::ops::{self, OrgError};

use super::{Idp, OrgHandle};

impl Idp {
    /// A page of the organizations, in the order of their ids: the oldest first. Deleted ones are
    /// listed too.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg, PageRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// idp.create_org(NewOrg::new("acme"))?;
    /// let mut request = PageRequest::first().limit(1);
    /// let mut slugs = Vec::new();
    /// loop {
    ///     let page = idp.list_orgs(&request)?;
    ///     slugs.extend(page.items.into_iter().map(|org| org.slug.to_string()));
    ///     let Some(cursor) = page.next_cursor else { break };
    ///     request = PageRequest::first().limit(1).after(cursor);
    /// }
    /// assert_eq!(slugs, ["system", "acme"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError`] when the cursor is not one, or the caller may not manage organizations.
    pub fn list_orgs(&self, page: &PageRequest) -> Result<Page<Org>, OrgError> {
        ops::orgs::list(&self.context, &self.caller, page)
    }

    /// How many active credentials of all organizations expire within that time from now. It goes through
    /// all organizations: ask now and then, not with each request.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use std::time::Duration;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// assert_eq!(idp.credentials_expiring(Duration::from_secs(7 * 24 * 3600))?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError`] when the caller may not manage organizations.
    pub fn credentials_expiring(&self, within: Duration) -> Result<u64, OrgError> {
        ops::orgs::credentials_expiring(&self.context, &self.caller, within)
    }
}

impl OrgHandle {
    /// Changes the organization: its name and its own limit on the life of tokens by leave of the
    /// organization, its plan and limits by leave of the instance. The slug never changes. What would
    /// change nothing is done without a trace.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg, OrgChanges, PlanTier};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let acme = idp.create_org(NewOrg::new("acme"))?;
    /// let changes = OrgChanges::default().name("Acme Ltd").plan(PlanTier::Pro).limits_of_plan();
    /// let acme = idp.org(&acme.id).update(changes)?;
    /// assert_eq!((acme.name.as_str(), acme.max_agents), ("Acme Ltd", 100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError`] when a value breaks a rule, or the organization is not there, deleted, or at another
    /// version than expected.
    pub fn update(&self, changes: OrgChanges) -> Result<Org, OrgError> {
        ops::orgs::update(&self.acting(), changes)
    }

    /// Suspends the organization: its tokens are void and none are issued, until it is activated
    /// again. The operator still sees everything in it and may change it, but for adding agents.
    /// Suspending it twice is suspending it once.
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
    /// org.suspend()?;
    /// assert!(idp.token(&request).is_err());
    /// org.activate()?;
    /// idp.token(&request)?;
    /// assert!(idp.on_behalf_of(&token).is_err(), "what was issued before stays void");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::Stays`] when it is the `system` organization or deleted.
    pub fn suspend(&self) -> Result<Org, OrgError> {
        ops::orgs::change_status(&self.acting(), OrgTransition::Suspend)
    }

    /// Activates the organization again. Tokens issued before stay void. Activating it twice is activating
    /// it once.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// use agentidp_core::OrgStatus;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// assert_eq!(org.suspend()?.status, OrgStatus::Suspended);
    /// assert_eq!(org.activate()?.status, OrgStatus::Active);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::Stays`] when it is deleted.
    pub fn activate(&self) -> Result<Org, OrgError> {
        ops::orgs::change_status(&self.acting(), OrgTransition::Activate)
    }

    /// Deletes the organization, for good: its tokens are void, its secrets and its agents' keys
    /// cannot be opened by anybody any more, and the personal values beside its trail are gone. Its
    /// slug and its ids stay taken. What is left can be looked at: the organization, its agents
    /// without their names, its members, and its trail, which still verifies. Whatever would change
    /// any of it is answered by [`ErrorCode::NotActive`](crate::ErrorCode::NotActive).
    ///
    /// The data keys are overwritten where they lie. Backups keep theirs, PostgreSQL until its next
    /// vacuum, and SQLite's write-ahead log until it is written anew.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::OrgStatus;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// assert_eq!(org.footprint()?.agents, 1);
    /// assert_eq!(org.delete()?.status, OrgStatus::Deleted);
    /// assert!(org.verify_audit()?.valid);
    /// assert!(idp.create_org(NewOrg::new("acme")).is_err(), "the slug stays taken");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::Stays`] when it is the `system` organization.
    pub fn delete(&self) -> Result<Org, OrgError> {
        ops::orgs::change_status(&self.acting(), OrgTransition::Delete)
    }

    /// How much there is of the organization: what [`delete`](Self::delete) would end.
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
    /// let ends = org.footprint()?;
    /// assert_eq!((ends.agents, ends.credentials, ends.tokens_this_month), (1, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::NotFound`] when there is no such organization.
    pub fn footprint(&self) -> Result<OrgFootprint, OrgError> {
        ops::orgs::footprint(&self.acting())
    }

    /// Makes an active agent of the organization a member of it, who may do in it what its role
    /// allows besides what its tokens' scopes do.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg, Role};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let acme = idp.create_org(NewOrg::new("acme"))?;
    /// let acme = idp.org(&acme.id);
    /// let boss = acme.register_agent(NewAgent::new("boss"))?;
    /// acme.add_member(&boss.id, Role::Owner)?;
    /// // The last owner stays.
    /// assert!(acme.remove_member(&boss.id).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError`] when there is no such agent, it is not active, it is a member in another role, or
    /// the caller may not add members of this role.
    pub fn add_member(&self, agent: &AgentId, role: Role) -> Result<Member, OrgError> {
        ops::members::add(&self.acting(), agent, role)
    }

    /// Gives a member another role.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::Role;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// org.add_member(&agent.id, Role::Member)?;
    /// assert_eq!(org.set_member_role(&agent.id, Role::Admin)?.role, Role::Admin);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::Member`] when it is the last owner, or would raise itself;
    /// [`OrgError::MemberNotFound`] when it is no member.
    pub fn set_member_role(&self, agent: &AgentId, role: Role) -> Result<Member, OrgError> {
        ops::members::set_role(&self.acting(), agent, role)
    }

    /// Ends a membership. The agent stays an agent of the organization.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::{PageRequest, Role};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// org.add_member(&agent.id, Role::Member)?;
    /// org.remove_member(&agent.id)?;
    /// assert!(org.members(&PageRequest::first())?.items.is_empty());
    /// assert_eq!(org.agent(&agent.id)?.name, "bot");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::Member`] when it is the last owner; [`OrgError::MemberNotFound`] when it is no
    /// member.
    pub fn remove_member(&self, agent: &AgentId) -> Result<(), OrgError> {
        ops::members::remove(&self.acting(), agent)
    }

    /// A page of the members, in the order of their agents' ids. A suspended agent keeps its
    /// membership and cannot use it; a decommissioned one has none.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::{PageRequest, Role};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// org.add_member(&agent.id, Role::Owner)?;
    /// let page = org.members(&PageRequest::first())?;
    /// assert_eq!((&page.items[0].agent_id, page.items[0].role), (&agent.id, Role::Owner));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError`] when there is no such organization or the cursor is not one.
    pub fn members(&self, page: &PageRequest) -> Result<Page<Member>, OrgError> {
        ops::members::list(&self.acting(), page)
    }
}
