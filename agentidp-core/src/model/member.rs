//! Members of an organization, and what a change of membership must keep: pure decisions.

use serde::Serialize;

use crate::base::{AgentId, Timestamp};
use crate::error::ErrorCode;

use super::{Action, Denied, Role};

/// An agent that is a member of its organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The agent.
    pub agent_id: AgentId,
    /// What it is in the organization.
    pub role: Role,
    /// Since when it is a member.
    pub created_at: Timestamp,
    /// When its role was last changed.
    pub updated_at: Timestamp,
}

/// Why a membership stays as it is.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
/// use agentidp_core::{MemberStays, OrgError, Role};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// org.add_member(&agent.id, Role::Owner)?;
/// let refused = org.remove_member(&agent.id).unwrap_err();
/// assert!(matches!(refused, OrgError::Member(MemberStays::LastOwner)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberStays {
    /// It is a member already, in another role.
    #[error("the agent is a member already, as {0}")]
    AlreadyMember(Role),
    /// Without it nobody would be left who may manage the organization.
    #[error("the agent is the organization's last owner")]
    LastOwner,
    /// Nobody raises itself.
    #[error("an agent never raises its own role")]
    OwnRole,
}

impl MemberStays {
    /// The row of the error table.
    pub fn code(self) -> ErrorCode {
        match self {
            MemberStays::AlreadyMember(_) => ErrorCode::AlreadyMember,
            MemberStays::LastOwner => ErrorCode::LastOwner,
            MemberStays::OwnRole => ErrorCode::Forbidden,
        }
    }
}

/// A change of an agent's membership: what it was, and what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemberChange {
    pub(crate) from: Option<Role>,
    pub(crate) to: Option<Role>,
}

impl MemberChange {
    /// What one needs leave for.
    pub(crate) fn action(self) -> Action {
        match (self.from, self.to) {
            (None | Some(Role::Member), None) | (None, Some(Role::Member)) => Action::ManageMembers,
            _ => Action::ManageOwners,
        }
    }

    /// Checks what holds whoever asks. `own` tells that the agent changes its own membership, and
    /// `owners` how many there are.
    ///
    /// # Errors
    /// [`MemberStays`] when it is not allowed.
    pub(crate) fn decide(self, own: bool, owners: usize) -> Result<(), MemberStays> {
        if own && rank(self.to) > rank(self.from) {
            return Err(MemberStays::OwnRole);
        }
        let ends_owner = self.from == Some(Role::Owner) && self.to != Some(Role::Owner);
        if ends_owner && owners <= 1 {
            return Err(MemberStays::LastOwner);
        }
        Ok(())
    }
}

/// Whether an agent in the role `own` may have what one in the role `other` has: whoever gets an
/// agent's secret can do what that agent can.
///
/// # Errors
/// [`Denied::RoleMissing`] when the other's role is mightier.
pub(crate) fn holds_role(own: Option<Role>, other: Option<Role>) -> Result<(), Denied> {
    // A plain member may do no more than an agent that is none.
    let mightier = other != Some(Role::Member) && rank(other) > rank(own);
    if mightier { Err(Denied::RoleMissing) } else { Ok(()) }
}

/// How mighty a role is; least of all none.
fn rank(role: Option<Role>) -> usize {
    let place = role.and_then(|role| Role::ALL.iter().position(|other| *other == role));
    place.map_or(0, |place| Role::ALL.len() - place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> impl Iterator<Item = MemberChange> {
        let roles = || Role::ALL.into_iter().map(Some).chain([None]);
        roles().flat_map(move |from| roles().map(move |to| MemberChange { from, to }))
    }

    #[test]
    fn only_plain_members_come_and_go_by_leave_of_an_admin() {
        for change in every() {
            let plain = |role: Option<Role>| role.is_none_or(|role| role == Role::Member);
            let both = plain(change.from) && plain(change.to);
            let stays = change.from == Some(Role::Member) && change.to == Some(Role::Member);
            let expected =
                if both && !stays { Action::ManageMembers } else { Action::ManageOwners };
            assert_eq!(change.action(), expected, "{change:?}");
        }
    }

    #[test]
    fn nobody_raises_itself() {
        let order = [None, Some(Role::Member), Some(Role::Admin), Some(Role::Owner)];
        for (low, from) in order.into_iter().enumerate() {
            for (high, to) in order.into_iter().enumerate() {
                let decided = MemberChange { from, to }.decide(true, 9);
                let expected = if high > low { Err(MemberStays::OwnRole) } else { Ok(()) };
                assert_eq!(decided, expected, "{from:?} {to:?}");
                assert_eq!(MemberChange { from, to }.decide(false, 9), Ok(()));
            }
        }
    }

    #[test]
    fn nobody_gets_the_secret_of_a_mightier_one() {
        for change in every() {
            let raises = change.decide(true, 9).is_err() && change.to != Some(Role::Member);
            let denied = if raises { Err(Denied::RoleMissing) } else { Ok(()) };
            assert_eq!(holds_role(change.from, change.to), denied, "{change:?}");
        }
    }

    #[test]
    fn the_last_owner_stays() {
        for change in every().filter(|change| change.from == Some(Role::Owner)) {
            let stays = change.to == Some(Role::Owner);
            for own in [true, false] {
                assert_eq!(change.decide(own, 2), Ok(()));
                let expected = if stays { Ok(()) } else { Err(MemberStays::LastOwner) };
                assert_eq!(change.decide(own, 1), expected, "{change:?}");
            }
        }
    }
}
