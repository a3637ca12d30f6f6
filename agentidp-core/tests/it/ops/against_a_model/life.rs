//! How the organizations and agents of the model come and go.

use agentidp_core::{
    AgentError, AgentId, AgentKeyState, AgentStatus, Custody, ErrorCode, Month, NewAgent, NewOrg,
    OrgHandle, OrgStatus, PlanTier,
};
use agentidp_testkit::API;

use super::acting::Acting;
use super::{AGENTS_MAX, Agent, MONTHLY, Model, Org, SCOPES, told};

impl Agent {
    /// An agent as it is when it was made: with a key that is held for it.
    pub(super) fn new(handle: &OrgHandle, id: AgentId, name: String, scopes: &str) -> Agent {
        let keys = handle.agent_keys(&id).unwrap();
        let [held] = &keys[..] else { panic!("{keys:?}") };
        assert_eq!((held.custody, held.state), (Custody::Custodial, AgentKeyState::Current));
        assert_eq!(held.expires_at, None);
        Agent {
            id,
            name,
            owner: None,
            scopes: scopes.to_owned(),
            life: None,
            status: AgentStatus::Active,
            member: None,
            credentials: Vec::new(),
            keys,
        }
    }
}

impl Org {
    fn has_room(&self) -> Result<(), ErrorCode> {
        match self.status {
            OrgStatus::Suspended | OrgStatus::Deleted => Err(ErrorCode::NotActive),
            OrgStatus::Active if self.live() >= self.max_agents => Err(ErrorCode::LimitReached),
            OrgStatus::Active => Ok(()),
        }
    }
}

impl Model {
    pub(super) fn create_org(&mut self, org: usize) {
        let new = NewOrg::new(format!("org-{org}"))
            .max_agents(AGENTS_MAX as i64)
            .max_tokens_per_month(MONTHLY);
        let made = self.test.idp.create_org(new).map_err(|refused| refused.code());
        // A slug is taken once, and for good.
        let expected = if self.orgs[org].is_some() { Err(ErrorCode::SlugTaken) } else { Ok(()) };
        assert_eq!(made.as_ref().map(|_| ()).map_err(|code| *code), expected);
        if let Ok(made) = made {
            self.orgs[org] = Some(Org {
                id: made.id,
                name: format!("org-{org}"),
                plan: PlanTier::Free,
                max_agents: AGENTS_MAX as i64,
                monthly: MONTHLY,
                life: None,
                status: OrgStatus::Active,
                agents: Vec::new(),
                issued: (Month::of(self.time()), 0),
            });
        }
    }

    pub(super) fn turn_org(&mut self, org: usize, to: OrgStatus) {
        let Some(handle) = self.handle(org) else { return };
        let turned = match to {
            OrgStatus::Active => handle.activate(),
            OrgStatus::Suspended => handle.suspend(),
            OrgStatus::Deleted => handle.delete(),
        };
        let turned = turned.map(|turned| turned.status).map_err(|refused| refused.code());
        let Some(known) = &mut self.orgs[org] else { return };
        let deleted = known.status == OrgStatus::Deleted;
        let stays = deleted && to != OrgStatus::Deleted;
        assert_eq!(turned, if stays { Err(ErrorCode::NotActive) } else { Ok(to) });
        if !deleted {
            known.status = to;
            if to == OrgStatus::Deleted {
                known.name = format!("org-{org}");
                for agent in &mut known.agents {
                    (agent.name, agent.owner) = (agent.id.to_string(), None);
                }
            }
            if to != OrgStatus::Active {
                self.end_tokens(|token| token.org == org);
            }
        }
    }

    /// Registers an agent with the scopes at that place.
    pub(super) fn register(&mut self, acting: &Acting, org: usize, scopes: usize) {
        let scopes = SCOPES[scopes];
        let new = NewAgent::new("bot").audience(API);
        let new = scopes.split(' ').fold(new, |new, scope| new.scope(scope));
        let made = acting.handle.register_agent(new);
        let Some(known) = &self.orgs[org] else { return };
        let expected = acting
            .leave
            .holds("agents:write")
            .and_then(|()| acting.leave.holds(scopes))
            .and_then(|()| known.has_room());
        let live = known.live();
        assert_eq!(told(&made, AgentError::code), expected, "{live} agents, {:?}", known.status);
        let (Ok(made), Some(handle)) = (made, self.handle(org)) else { return };
        let agent = Agent::new(&handle, made.id, "bot".to_owned(), scopes);
        if let Some(known) = &mut self.orgs[org] {
            known.agents.push(agent);
        }
    }

    pub(super) fn turn_agent(
        &mut self,
        acting: &Acting,
        org: usize,
        agent: usize,
        to: AgentStatus,
    ) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let change = |handle: &OrgHandle| match to {
            AgentStatus::Active => handle.reactivate_agent(&own.id),
            AgentStatus::Suspended => handle.suspend_agent(&own.id),
            AgentStatus::Decommissioned => handle.decommission_agent(&own.id),
        };
        if let Some((stranger, code)) = self.stranger(org) {
            assert_eq!(told(&change(&stranger), AgentError::code), Err(code));
        }
        let ends = to == AgentStatus::Decommissioned;
        let turns = if own.status == AgentStatus::Decommissioned && !ends {
            Err(ErrorCode::Decommissioned)
        } else if ends && known.last_owner(agent) {
            Err(ErrorCode::LastOwner)
        } else {
            Ok(())
        };
        let expected = acting
            .leave
            .holds("agents:write")
            .and_then(|()| known.unless_deleted())
            .and_then(|()| acting.leave.reaches(own.role()))
            .and(turns);
        let changed = told(&change(&acting.handle), AgentError::code);
        assert_eq!(changed, expected, "{:?} to {to:?} in {:?}", own.status, known.status);
        if expected.is_err() {
            return;
        }
        if let Some(known) = &mut self.orgs[org] {
            let own = &mut known.agents[agent];
            own.status = to;
            if ends {
                own.member = None;
                own.credentials.iter_mut().for_each(|own| own.revoked = true);
                own.keys.iter_mut().for_each(|key| key.state = AgentKeyState::Revoked);
            }
        }
        if to != AgentStatus::Active {
            self.end_tokens(|token| token.stands_on(org, agent));
        }
    }
}
