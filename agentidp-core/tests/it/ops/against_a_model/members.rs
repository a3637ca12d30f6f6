//! Members of the model: who is one, in which role, and since when.

use agentidp_core::{AgentStatus, ErrorCode, Member, OrgError, OrgHandle, PageRequest, Role};
use proptest::prelude::*;

use super::acting::{Acting, Leave};
use super::{Model, Org, told};

/// A change of the membership of an agent: what it is to be, and by which verb.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Add(Role),
    Set(Role),
    Remove,
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let role = || prop::sample::select(&Role::ALL[..]);
    prop_oneof![
        3 => role().prop_map(Change::Add),
        2 => role().prop_map(Change::Set),
        2 => Just(Change::Remove),
    ]
}

impl Change {
    /// Owners do all of it, admins what is about plain members alone. Whether a membership is one is
    /// looked at only where it ends.
    fn allowed(self, leave: &Leave, known: Option<Role>) -> Result<(), ErrorCode> {
        match (self, known) {
            (Change::Remove, None | Some(Role::Member)) | (Change::Add(Role::Member), _) => {
                leave.is_one_of(&[Role::Owner, Role::Admin])
            }
            _ => leave.is_one_of(&[Role::Owner]),
        }
    }
}

impl Org {
    fn owners(&self) -> usize {
        self.agents.iter().filter(|agent| agent.role() == Some(Role::Owner)).count()
    }

    /// Whether the agent is an owner, and nobody else is.
    pub(super) fn last_owner(&self, agent: usize) -> bool {
        self.agents[agent].role() == Some(Role::Owner) && self.owners() == 1
    }

    /// The role that the change leaves the agent in.
    fn decide(&self, agent: usize, change: Change) -> Result<Option<Role>, ErrorCode> {
        self.unless_deleted()?;
        let known = self.agents[agent].role();
        let to = match (change, known) {
            (Change::Add(role), Some(known)) if role != known => {
                return Err(ErrorCode::AlreadyMember);
            }
            (Change::Add(_), None) if self.agents[agent].status != AgentStatus::Active => {
                return Err(ErrorCode::NotActive);
            }
            (Change::Set(_) | Change::Remove, None) => return Err(ErrorCode::NotFound),
            (Change::Add(role) | Change::Set(role), _) => Some(role),
            (Change::Remove, _) => None,
        };
        let stays = self.last_owner(agent) && to != Some(Role::Owner);
        if stays { Err(ErrorCode::LastOwner) } else { Ok(to) }
    }
}

impl Model {
    pub(super) fn change_member(
        &mut self,
        acting: &Acting,
        org: usize,
        agent: usize,
        change: Change,
    ) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let apply = |handle: &OrgHandle| match change {
            Change::Add(role) => handle.add_member(&own.id, role).map(Some),
            Change::Set(role) => handle.set_member_role(&own.id, role).map(Some),
            Change::Remove => handle.remove_member(&own.id).map(|()| None),
        };
        if let Some((stranger, code)) = self.stranger(org) {
            assert_eq!(told(&apply(&stranger), OrgError::code), Err(code));
        }
        let done = apply(&acting.handle).map_err(|refused| refused.code());
        let allowed = change.allowed(&acting.leave, own.role());
        let expected = allowed.and_then(|()| known.decide(agent, change));
        let roles = done.as_ref().map(|member| member.as_ref().map(|member| member.role));
        assert_eq!(roles, expected.as_ref().copied(), "{change:?} of {:?}", own.member);
        let Ok(member) = done else { return };
        if let (Some(known), Some(member)) = (&own.member, &member) {
            assert_eq!(known.created_at, member.created_at, "since when it is one");
            assert_eq!(known.role == member.role, known.updated_at == member.updated_at);
        }
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].member = member;
        }
    }

    /// The members that can be listed are those of the model.
    pub(super) fn members_agree(&self, org: usize) {
        let (Some(known), Some(handle)) = (&self.orgs[org], self.handle(org)) else { return };
        let mut own: Vec<Member> =
            known.agents.iter().filter_map(|agent| agent.member.clone()).collect();
        own.sort_by(|a, b| a.agent_id.as_str().cmp(b.agent_id.as_str()));
        assert_eq!(handle.members(&PageRequest::first()).unwrap().items, own);
    }
}
