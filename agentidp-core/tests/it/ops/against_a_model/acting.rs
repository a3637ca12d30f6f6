//! Who does a verb of the model, and what it may: the operator everything, the bearer of a token what
//! the scopes of the token and the role of its agent allow.

use agentidp_core::{ErrorCode, Idp, OrgHandle, Role};

use super::{Model, has};

/// Somebody at the handle of an organization.
pub(super) struct Acting {
    pub(super) idp: Idp,
    pub(super) handle: OrgHandle,
    pub(super) leave: Leave,
}

/// What somebody may do.
pub(super) enum Leave {
    Everything,
    OfToken {
        /// Whom the token is about.
        agent: usize,
        /// Whether nobody acts for it.
        itself: bool,
        /// Its role, which nobody has who acts for it.
        role: Option<Role>,
        scopes: String,
    },
}

impl Leave {
    /// Nobody does what takes a scope that its token lacks, nor grants one.
    pub(super) fn holds(&self, scopes: &str) -> Result<(), ErrorCode> {
        match self {
            Leave::OfToken { scopes: own, .. }
                if scopes.split_whitespace().any(|scope| !has(own, scope)) =>
            {
                Err(ErrorCode::InsufficientScope)
            }
            _ => Ok(()),
        }
    }

    /// What takes one of these roles.
    pub(super) fn is_one_of(&self, roles: &[Role]) -> Result<(), ErrorCode> {
        match self {
            Leave::OfToken { role, .. } if !role.is_some_and(|role| roles.contains(&role)) => {
                Err(ErrorCode::Forbidden)
            }
            _ => Ok(()),
        }
    }

    /// Nobody lays hands on an agent in a mightier role. A plain member may no more than who is none.
    pub(super) fn reaches(&self, role: Option<Role>) -> Result<(), ErrorCode> {
        match role {
            None | Some(Role::Member) => Ok(()),
            Some(Role::Admin) => self.is_one_of(&[Role::Owner, Role::Admin]),
            Some(Role::Owner) => self.is_one_of(&[Role::Owner]),
        }
    }

    /// The instance is managed by the operator alone: no agent of the model is one of `system`.
    pub(super) fn manages_the_instance(&self) -> Result<(), ErrorCode> {
        match self {
            Leave::Everything => Ok(()),
            Leave::OfToken { .. } => Err(ErrorCode::InsufficientScope),
        }
    }

    /// Whether it acts by a token about that agent.
    pub(super) fn is_about(&self, place: usize) -> bool {
        matches!(self, Leave::OfToken { agent, .. } if *agent == place)
    }

    /// Whether it is that agent, and nobody who acts for it.
    pub(super) fn is_itself(&self, place: usize) -> bool {
        matches!(self, Leave::OfToken { agent, itself: true, .. } if *agent == place)
    }
}

impl Model {
    /// Does a verb as the operator, where there is the organization.
    pub(super) fn as_operator(&mut self, org: usize, verb: impl FnOnce(&mut Model, &Acting)) {
        if let Some(handle) = self.handle(org) {
            let acting = Acting { idp: self.test.idp.clone(), handle, leave: Leave::Everything };
            verb(self, &acting);
        }
    }
}
