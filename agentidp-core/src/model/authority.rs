//! Who may do what: one table, from which the decision and the documentation are made.
//!
//! The process that embeds this library may do everything. An agent may do what its access token's
//! scopes say, in its own organization; members of an organization may besides manage it, by their
//! role; and agents of the `system` organization with `admin:` scopes manage the instance.

use std::fmt;

use serde::Serialize;

use crate::base::{AgentId, Jti, OrgId, Timestamp};
use crate::error::ErrorCode;

use super::{ActorChain, AgentStatus, OrgStatus, ScopeSet};

/// Who acts.
#[derive(Debug, Clone, Default)]
pub enum Caller {
    /// The process that embeds this library, or whoever runs the command line.
    #[default]
    Operator,
    /// An agent, by an access token of ours.
    Agent(ActingAgent),
}

/// An agent that acts by an access token.
#[derive(Debug, Clone)]
pub struct ActingAgent {
    /// The agent.
    pub agent_id: AgentId,
    /// Its organization.
    pub organization_id: OrgId,
    /// The scopes of its token.
    pub scopes: ScopeSet,
    /// The name of its token: what ends the token ends what is done with it.
    pub jti: Jti,
    /// Who acts for it by its token, if others do.
    pub actors: ActorChain,
}

impl ActingAgent {
    /// Who does what is done: the last that acts for the agent, or the agent itself.
    pub fn doer(&self) -> &AgentId {
        self.actors.current().unwrap_or(&self.agent_id)
    }
}

impl ActingAgent {
    /// Whether it has that scope of administration, which counts in the `system` organization alone.
    fn administers(&self, scope: &str) -> bool {
        self.organization_id == OrgId::system() && self.scopes.contains(scope)
    }
}

impl Caller {
    /// The agent, if it is one.
    pub fn agent(&self) -> Option<&ActingAgent> {
        match self {
            Caller::Operator => None,
            Caller::Agent(agent) => Some(agent),
        }
    }

    /// Checks that the caller holds all of `scopes`: nobody grants more than it has.
    ///
    /// # Errors
    /// [`Denied::ScopesNotHeld`] otherwise.
    pub fn holds(&self, scopes: &ScopeSet) -> Result<(), Denied> {
        let Caller::Agent(agent) = self else { return Ok(()) };
        let all = scopes.iter().all(|scope| agent.scopes.contains(scope));
        if all { Ok(()) } else { Err(Denied::ScopesNotHeld) }
    }
}

/// What a member of an organization is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Manages the organization and all its members. There is always one, once there was one.
    Owner,
    /// Manages the organization's settings and its members that are neither owners nor admins.
    Admin,
    /// Belongs to it.
    Member,
}

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Role; 3] = [Role::Owner, Role::Admin, Role::Member];

    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Member => "member",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What gives an agent leave to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Any access token of the organization; for another organization, `admin:orgs`.
    Belonging,
    /// This scope, in its own organization.
    Scope(&'static str),
    /// One of these roles in the organization; or `admin:orgs`.
    Role(&'static [Role]),
    /// This scope, which agents of the `system` organization alone may have.
    Instance(&'static str),
}

macro_rules! actions {
    ($($name:ident: $text:literal, $leave:expr, $meaning:literal;)*) => {
        /// Something that needs leave. See [`Action::ALL`] for the table.
        ///
        /// ```
        /// use agentidp_core::Action;
        /// use agentidp_core::model::Leave;
        /// for action in Action::ALL {
        ///     println!("{}: {}", action.as_str(), action.meaning());
        /// }
        /// assert_eq!(Action::SeeAgents.leave(), Leave::Scope("agents:read"));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Action {
            $(#[doc = $meaning] $name,)*
        }

        impl Action {
            /// Every action, in the order of the table.
            pub const ALL: &'static [Action] = &[$(Action::$name,)*];

            /// Its name, as the audit log has it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Action::$name => $text,)* }
            }

            /// What gives leave for it.
            pub const fn leave(self) -> Leave {
                match self { $(Action::$name => $leave,)* }
            }

            /// Whether it changes nothing. What only looks may look at a deleted organization too.
            pub const fn only_looks(self) -> bool {
                matches!(
                    self,
                    Action::SeeOrg
                        | Action::SeeAgents
                        | Action::SeeCredentials
                        | Action::IntrospectTokens
                        | Action::SeeAudit
                )
            }

            /// What it is, in words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Action::$name => $meaning,)* }
            }
        }
    };
}

impl Action {
    /// Whether one of `scopes` gives leave for it.
    pub(crate) fn is_allowed_by(self, scopes: &ScopeSet) -> bool {
        self.scope().is_some_and(|scope| scopes.contains(scope))
    }

    /// The scope that gives leave for it in an agent's own organization.
    pub(crate) fn scope(self) -> Option<&'static str> {
        match self.leave() {
            Leave::Scope(scope) => Some(scope),
            Leave::Belonging | Leave::Role(_) | Leave::Instance(_) => None,
        }
    }
}

/// The scope of those who manage organizations.
const ADMIN_ORGS: &str = "admin:orgs";

actions! {
    SeeOrg: "org.see", Leave::Belonging, "See the organization and its members.";
    ChangeOrg: "org.change", Leave::Role(&[Role::Owner, Role::Admin]), "Change the organization's name and its own limit on the life of tokens.";
    ManageMembers: "members.manage", Leave::Role(&[Role::Owner, Role::Admin]), "Add and remove members of the role `member`.";
    ManageOwners: "owners.manage", Leave::Role(&[Role::Owner]), "Add and remove owners and admins, and change roles.";
    ManageOrgs: "orgs.manage", Leave::Instance(ADMIN_ORGS), "Create, list, suspend, activate and delete organizations; change plans and limits.";
    ManageKeys: "keys.manage", Leave::Instance("admin:keys"), "Rotate and revoke the instance's signing keys.";
    SeeAgents: "agents.see", Leave::Scope("agents:read"), "See agents.";
    ChangeAgents: "agents.change", Leave::Scope("agents:write"), "Register, change, suspend, reactivate and decommission agents; add, replace and end their keys.";
    SeeCredentials: "credentials.see", Leave::Scope("credentials:read"), "See credentials, without their secrets.";
    ChangeCredentials: "credentials.change", Leave::Scope("credentials:write"), "Issue, rotate and revoke credentials.";
    IntrospectTokens: "tokens.introspect", Leave::Scope("tokens:introspect"), "Learn whether tokens of the organization's agents are active, and what they say.";
    RevokeTokens: "tokens.revoke", Leave::Scope("tokens:revoke"), "Revoke tokens of the organization's agents.";
    SeeAudit: "audit.see", Leave::Scope("audit:read"), "Read and verify the audit trail.";
}

/// Why somebody may not do something.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
/// use agentidp_core::{AgentError, Denied, ErrorCode};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.create_org(NewOrg::new("acme"))?;
/// # let agent = idp.org(&org.id).register_agent(NewAgent::new("bot").scope("agents:read"))?;
/// # let credential = idp.org(&org.id).issue_credential(&agent.id, NewCredential::default())?;
/// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
/// # let token = idp.token(&request)?.access_token;
/// let theirs = idp.on_behalf_of(&token)?.org(&org.id);
/// let refused = theirs.register_agent(NewAgent::new("another")).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::InsufficientScope);
/// let AgentError::Denied(denied) = refused else { panic!("it was denied") };
/// assert_eq!(denied, Denied::ScopeMissing("agents:write"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The thing is another organization's: it is answered as one that is not there.
    #[error("there is no such organization")]
    Foreign,
    /// The token lacks this scope.
    #[error("the access token lacks the scope `{0}`")]
    ScopeMissing(&'static str),
    /// The caller's role in the organization does not allow it.
    #[error("the caller's role in the organization does not allow this")]
    RoleMissing,
    /// The caller would grant a scope that it does not hold.
    #[error("a caller grants only scopes that it holds")]
    ScopesNotHeld,
    /// The acting agent, its organization or its token is not active any more, whatever the token says.
    #[error("the acting agent is not active")]
    NotActive,
    /// The organization is deleted: it can be looked at, and nothing in it changes any more.
    #[error("the organization was deleted")]
    OrgDeleted,
    /// The policy that decides in the table's stead does not allow it.
    #[error("the policy of this instance does not allow this")]
    Policy,
    /// The policy failed or took too long, which allows nothing.
    #[error("the policy of this instance could not decide, which allows nothing")]
    PolicyFailed,
}

impl Denied {
    /// The row of the error table.
    pub fn code(self) -> ErrorCode {
        match self {
            Denied::Foreign => ErrorCode::NotFound,
            Denied::ScopeMissing(_) | Denied::ScopesNotHeld => ErrorCode::InsufficientScope,
            Denied::RoleMissing | Denied::Policy | Denied::PolicyFailed => ErrorCode::Forbidden,
            Denied::NotActive => ErrorCode::InvalidToken,
            Denied::OrgDeleted => ErrorCode::NotActive,
        }
    }
}

/// An acting agent as its rows stand now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the agent may act.
    pub agent_status: AgentStatus,
    /// Whether its organization may act.
    pub org_status: OrgStatus,
    /// Its role in its organization.
    pub role: Option<Role>,
    /// Tokens are void that do not count as issued after this: the agent's bound or its organization's,
    /// whichever is later.
    pub tokens_not_before: Timestamp,
    /// Whether the token that was asked about was revoked by itself.
    pub token_revoked: bool,
    /// Most requests that its organization sends in a minute.
    pub per_minute_max: i64,
}

impl Standing {
    /// Whether the agent may act by its token of that name.
    pub fn admits(&self, jti: &Jti) -> bool {
        self.agent_status == AgentStatus::Active
            && self.org_status == OrgStatus::Active
            && !self.token_revoked
            && jti.time().is_some_and(|issued| issued > self.tokens_not_before)
    }
}

/// Decides whether an agent, as it stands, may do `action` in `organization`.
///
/// # Errors
/// [`Denied`] when it may not.
pub fn permit(
    agent: &ActingAgent,
    standing: Option<Standing>,
    organization: &OrgId,
    action: Action,
) -> Result<(), Denied> {
    let standing = within_walls(agent, standing, organization, action)?;
    match action.leave() {
        Leave::Belonging | Leave::Instance(_) => Ok(()),
        Leave::Scope(scope) if agent.scopes.contains(scope) => Ok(()),
        Leave::Scope(scope) => Err(Denied::ScopeMissing(scope)),
        Leave::Role(roles) => {
            let by_role = standing.role.is_some_and(|role| roles.contains(&role));
            if by_role || agent.administers(ADMIN_ORGS) { Ok(()) } else { Err(Denied::RoleMissing) }
        }
    }
}

/// Decides what no policy may open: who does not stand may do nothing, an agent reaches other
/// organizations and the instance by an `admin:` scope of the `system` organization alone, and of
/// other organizations only what is theirs as a whole.
///
/// # Errors
/// [`Denied`] when a wall is in the way.
pub(crate) fn within_walls(
    agent: &ActingAgent,
    standing: Option<Standing>,
    organization: &OrgId,
    action: Action,
) -> Result<Standing, Denied> {
    let standing = standing.filter(|standing| standing.admits(&agent.jti));
    let standing = standing.ok_or(Denied::NotActive)?;
    match action.leave() {
        Leave::Instance(scope) if !agent.administers(scope) => Err(Denied::ScopeMissing(scope)),
        Leave::Instance(_) => Ok(standing),
        Leave::Belonging | Leave::Role(_) if agent.administers(ADMIN_ORGS) => Ok(standing),
        _ if agent.organization_id != *organization => Err(Denied::Foreign),
        _ => Ok(standing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVE: Standing = Standing {
        agent_status: AgentStatus::Active,
        org_status: OrgStatus::Active,
        role: None,
        tokens_not_before: Timestamp::from_micros(ISSUED - 1),
        token_revoked: false,
        per_minute_max: 60,
    };
    /// When the tokens of these tests were issued.
    const ISSUED: i64 = 1_795_316_400_000_123;

    fn agent(organization: &str, scopes: &str) -> ActingAgent {
        ActingAgent {
            agent_id: AgentId::nil(),
            organization_id: org(organization),
            scopes: ScopeSet::parse(scopes).unwrap(),
            jti: Jti::generate_at(Timestamp::from_micros(ISSUED), &crate::base::SystemRng).unwrap(),
            actors: ActorChain::default(),
        }
    }

    fn org(last: &str) -> OrgId {
        OrgId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap()
    }

    #[test]
    fn a_scope_reaches_its_own_organization_alone() {
        let bot = agent("1", "agents:read");
        assert_eq!(permit(&bot, Some(ACTIVE), &org("1"), Action::SeeAgents), Ok(()));
        assert_eq!(permit(&bot, Some(ACTIVE), &org("1"), Action::SeeOrg), Ok(()));
        let missing = Err(Denied::ScopeMissing("agents:write"));
        assert_eq!(permit(&bot, Some(ACTIVE), &org("1"), Action::ChangeAgents), missing);
        for action in Action::ALL {
            let other = permit(&bot, Some(ACTIVE), &org("2"), *action);
            assert!(other.is_err(), "{action:?}");
            if !matches!(action.leave(), Leave::Instance(_)) {
                assert_eq!(other, Err(Denied::Foreign), "{action:?}");
            }
        }
    }

    #[test]
    fn instance_administration_belongs_to_the_system_organization() {
        let own = agent("1", "admin:orgs admin:keys");
        let mut system = own.clone();
        system.organization_id = OrgId::system();
        for action in Action::ALL {
            let allowed = permit(&system, Some(ACTIVE), &org("2"), *action).is_ok();
            let of_agents = matches!(action.leave(), Leave::Scope(_));
            assert_eq!(allowed, !of_agents, "{action:?}");
            if matches!(action.leave(), Leave::Instance(_)) {
                assert!(permit(&own, Some(ACTIVE), &org("1"), *action).is_err());
            }
        }
    }

    #[test]
    fn roles_allow_what_the_table_says() {
        let bot = agent("1", "agents:write");
        for action in Action::ALL {
            let Leave::Role(roles) = action.leave() else { continue };
            for role in Role::ALL {
                let standing = Standing { role: Some(role), ..ACTIVE };
                let allowed = permit(&bot, Some(standing), &org("1"), *action);
                assert_eq!(allowed.is_ok(), roles.contains(&role), "{action:?} {role}");
            }
            assert_eq!(permit(&bot, Some(ACTIVE), &org("1"), *action), Err(Denied::RoleMissing));
        }
    }

    #[test]
    fn who_is_not_active_may_do_nothing() {
        let system = ActingAgent { organization_id: OrgId::system(), ..agent("1", "admin:orgs") };
        let gone = Standing { agent_status: AgentStatus::Suspended, ..ACTIVE };
        let org_gone = Standing { org_status: OrgStatus::Suspended, ..ACTIVE };
        let revoked = Standing { token_revoked: true, ..ACTIVE };
        let ended = Standing { tokens_not_before: Timestamp::from_micros(ISSUED), ..ACTIVE };
        for standing in [None, Some(gone), Some(org_gone), Some(revoked), Some(ended)] {
            for action in Action::ALL {
                let denied = permit(&system, standing, &OrgId::system(), *action);
                assert_eq!(denied, Err(Denied::NotActive));
            }
        }
    }
}
