//! Changes of the particulars of organizations and agents: several at once, and what is not named
//! stays as it is.

use agentidp_core::{
    AgentChanges, AgentError, AgentStatus, ErrorCode, OrgChanges, OrgError, OrgHandle, PlanTier,
    Role,
};
use proptest::option::of;
use proptest::prelude::*;

use super::acting::{Acting, Leave};
use super::{AGENTS_MAX, Model, Org, SCOPES, has, told};

/// Lives of tokens, in seconds; the first is shorter than a limit may be.
const LIVES: [i64; 3] = [59, 60, 1800];

/// Which version of what is changed the caller expects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expects {
    Any,
    TheLast,
    OneBefore,
}

fn expects() -> impl Strategy<Value = Expects> {
    prop_oneof![
        2 => Just(Expects::Any),
        1 => Just(Expects::TheLast),
        1 => Just(Expects::OneBefore),
    ]
}

impl Expects {
    fn version(self, found: i64) -> Option<i64> {
        match self {
            Expects::Any => None,
            Expects::TheLast => Some(found),
            Expects::OneBefore => Some(found - 1),
        }
    }
}

/// Changes of an organization.
#[derive(Debug, Clone, Copy)]
pub(super) struct OrgPatch {
    name: Option<u8>,
    life: Option<Option<i64>>,
    agents: Option<i64>,
    monthly: Option<i64>,
    plan: Option<PlanTier>,
    expects: Expects,
}

pub(super) fn org_patch() -> impl Strategy<Value = OrgPatch> {
    let life = of(of(prop::sample::select(LIVES.as_slice())));
    let agents = of(prop::sample::select([-1, 0, 1, AGENTS_MAX as i64].as_slice()));
    let monthly = of(prop::sample::select([0, 3, super::MONTHLY].as_slice()));
    let plan = of(prop::sample::select([PlanTier::Free, PlanTier::Pro].as_slice()));
    let parts = (of(0..2u8), life, agents, monthly, plan, expects());
    parts.prop_map(|(name, life, agents, monthly, plan, expects)| OrgPatch {
        name,
        life,
        agents,
        monthly,
        plan,
        expects,
    })
}

impl OrgPatch {
    fn changes(self, version: i64) -> OrgChanges {
        let mut changes = OrgChanges::default();
        if let Some(name) = self.name {
            changes = changes.name(format!("Org {name}"));
        }
        if let Some(life) = self.life {
            changes = changes.token_life_seconds_max(life);
        }
        if let Some(agents) = self.agents {
            changes = changes.max_agents(agents);
        }
        if let Some(monthly) = self.monthly {
            changes = changes.max_tokens_per_month(monthly);
        }
        if let Some(plan) = self.plan {
            changes = changes.plan(plan);
        }
        match self.expects.version(version) {
            Some(version) => changes.expected_version(version),
            None => changes,
        }
    }

    fn decide(self, leave: &Leave, org: &Org) -> Result<(), ErrorCode> {
        if self.life == Some(Some(LIVES[0])) || self.agents == Some(-1) {
            return Err(ErrorCode::InvalidInput);
        }
        if self.agents.is_some() || self.monthly.is_some() || self.plan.is_some() {
            leave.manages_the_instance()?;
        } else {
            leave.is_one_of(&[Role::Owner, Role::Admin])?;
        }
        org.unless_deleted()?;
        match self.expects {
            Expects::OneBefore => Err(ErrorCode::Conflict),
            Expects::Any | Expects::TheLast => Ok(()),
        }
    }
}

/// Changes of an agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct AgentPatch {
    name: Option<u8>,
    owner: Option<Option<u8>>,
    scopes: Option<usize>,
    life: Option<Option<i64>>,
    expects: Expects,
}

pub(super) fn agent_patch() -> impl Strategy<Value = AgentPatch> {
    let life = of(of(prop::sample::select(LIVES.as_slice())));
    let parts = (of(0..2u8), of(of(0..2u8)), of(0..SCOPES.len()), life, expects());
    parts.prop_map(|(name, owner, scopes, life, expects)| AgentPatch {
        name,
        owner,
        scopes,
        life,
        expects,
    })
}

impl AgentPatch {
    fn changes(self, version: i64) -> AgentChanges {
        let mut changes = AgentChanges::new();
        if let Some(name) = self.name {
            changes = changes.name(format!("bot {name}"));
        }
        changes = match self.owner {
            Some(Some(owner)) => changes.owner(format!("Owner {owner}")),
            Some(None) => changes.without_owner(),
            None => changes,
        };
        if let Some(scopes) = self.scopes {
            changes = changes.scopes(SCOPES[scopes].split(' '));
        }
        changes = match self.life {
            Some(Some(seconds)) => changes.token_life_seconds_max(seconds),
            Some(None) => changes.without_token_life_seconds_max(),
            None => changes,
        };
        match self.expects.version(version) {
            Some(version) => changes.expected_version(version),
            None => changes,
        }
    }

    fn decide(self, status: AgentStatus) -> Result<(), ErrorCode> {
        match (self.expects, status, self.life) {
            (Expects::OneBefore, _, _) => Err(ErrorCode::Conflict),
            (_, AgentStatus::Decommissioned, _) => Err(ErrorCode::Decommissioned),
            (_, _, Some(Some(seconds))) if seconds == LIVES[0] => Err(ErrorCode::InvalidInput),
            _ => Ok(()),
        }
    }

    /// Nobody grants a scope that it does not hold. What another agent has already it may keep; who
    /// changes its own must hold all that it will have.
    fn grant(self, leave: &Leave, agent: usize, before: &str) -> Result<(), ErrorCode> {
        let after = self.scopes.map_or(before, |scopes| SCOPES[scopes]);
        if after == before {
            return Ok(());
        }
        if leave.is_about(agent) {
            return leave.holds(after);
        }
        let added: Vec<_> = after.split(' ').filter(|scope| !has(before, scope)).collect();
        leave.holds(&added.join(" "))
    }
}

impl Model {
    pub(super) fn update_org(&mut self, acting: &Acting, org: usize, patch: OrgPatch) {
        let Some(handle) = self.handle(org) else { return };
        let before = handle.get().unwrap();
        let updated = acting.handle.update(patch.changes(before.version()));
        let Some(known) = &mut self.orgs[org] else { return };
        let expected = patch.decide(&acting.leave, known);
        assert_eq!(told(&updated, OrgError::code), expected, "{patch:?} in {:?}", known.status);
        let Ok(updated) = updated else { return };
        if let Some(name) = patch.name {
            known.name = format!("Org {name}");
        }
        known.life = patch.life.unwrap_or(known.life);
        known.max_agents = patch.agents.unwrap_or(known.max_agents);
        known.monthly = patch.monthly.unwrap_or(known.monthly);
        known.plan = patch.plan.unwrap_or(known.plan);
        let differs = known.seen() != super::seen_org(&before);
        assert_eq!(updated.version() != before.version(), differs, "{patch:?}");
        assert_eq!(handle.get().unwrap(), updated, "what is answered is what is kept");
    }

    pub(super) fn update_agent(
        &mut self,
        acting: &Acting,
        org: usize,
        agent: usize,
        patch: AgentPatch,
    ) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(handle) = self.handle(org) else { return };
        let before = handle.agent(&own.id).unwrap();
        let update =
            |handle: &OrgHandle| handle.update_agent(&own.id, &patch.changes(before.version()));
        if let Some((stranger, code)) = self.stranger(org) {
            assert_eq!(told(&update(&stranger), AgentError::code), Err(code));
        }
        let updated = update(&acting.handle);
        let expected = acting
            .leave
            .holds("agents:write")
            .and_then(|()| known.unless_deleted())
            .and_then(|()| acting.leave.reaches(own.role()))
            .and_then(|()| patch.decide(own.status))
            .and_then(|()| patch.grant(&acting.leave, agent, &own.scopes));
        let answer = told(&updated, AgentError::code);
        assert_eq!(answer, expected, "{patch:?} of {:?} in {:?}", own.status, known.status);
        let (Ok(updated), Some(known)) = (updated, &mut self.orgs[org]) else { return };
        let own = &mut known.agents[agent];
        if let Some(name) = patch.name {
            own.name = format!("bot {name}");
        }
        if let Some(owner) = patch.owner {
            own.owner = owner.map(|owner| format!("Owner {owner}"));
        }
        if let Some(scopes) = patch.scopes {
            own.scopes = SCOPES[scopes].to_owned();
        }
        own.life = patch.life.unwrap_or(own.life);
        let differs = own.seen() != super::seen_agent(&before);
        assert_eq!(updated.version() != before.version(), differs, "{patch:?}");
        assert_eq!(handle.agent(&own.id).unwrap(), updated, "what is answered is what is kept");
    }
}
