//! What would be refused, found out by looking: a dry run fails where the deed would, and leaves no
//! entry of a refusal. The deed itself decides anew.

use agentidp_core::base::limits;
use agentidp_core::{
    AgentId, Denied, MemberStays, Org, OrgError, OrgHandle, OrgId, OrgStatus, OrgStays,
    PageRequest, Role,
};

/// Whether the organization would change if it were brought to `status`.
///
/// # Errors
/// [`OrgError::Stays`] when that would be refused.
pub(super) fn changes(org: &Org, status: OrgStatus) -> Result<bool, OrgError> {
    if org.id == OrgId::system() {
        return Err(OrgStays::System.into());
    }
    match org.status {
        known if known == status => Ok(false),
        OrgStatus::Deleted => Err(OrgStays::Deleted.into()),
        OrgStatus::Active | OrgStatus::Suspended => Ok(true),
    }
}

/// Refuses what would change anything in a deleted organization.
///
/// # Errors
/// [`OrgError::Denied`] when it is deleted.
pub(super) fn if_deleted(org: &Org) -> Result<(), OrgError> {
    match org.status {
        OrgStatus::Deleted => Err(Denied::OrgDeleted.into()),
        OrgStatus::Active | OrgStatus::Suspended => Ok(()),
    }
}

/// The role that would end with the membership of the agent, if it is a member.
///
/// # Errors
/// [`OrgError::Member`] when it is the last owner.
pub(super) fn ending_role(org: &OrgHandle, agent: &AgentId) -> Result<Option<Role>, OrgError> {
    let first = PageRequest::first().limit(limits::PAGE_ITEMS_MAX);
    let (mut request, mut role, mut another_owner) = (first.clone(), None, false);
    loop {
        let page = org.members(&request)?;
        for member in &page.items {
            if member.agent_id == *agent {
                role = Some(member.role);
            } else if member.role == Role::Owner {
                another_owner = true;
            }
        }
        match page.next_cursor {
            Some(cursor) => request = first.clone().after(cursor),
            None => break,
        }
    }
    if role == Some(Role::Owner) && !another_owner {
        return Err(MemberStays::LastOwner.into());
    }
    Ok(role)
}
