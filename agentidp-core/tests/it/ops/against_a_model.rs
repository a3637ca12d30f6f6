//! Random verbs against a plain model in memory: after each, the instance and the model agree on
//! what was refused and why, on what can be read, on who may get a token, and on which tokens are alive.
//!
//! A failure prints its seed and the shortest history that it could find. `MODEL_SEED` repeats a run,
//! `MODEL_CASES` makes it longer.

use std::time::Duration;

use agentidp_core::{
    AgentFilter, AgentId, AgentStatus, CredentialId, ErrorCode, IntrospectionRequest, Member,
    NewAgent, NewCredential, NewOrg, OrgHandle, OrgId, OrgStatus, PageRequest, PlanTier,
    RevocationRequest, RevokeTokens, Rng as _, SystemRng, TokenRequest,
};
use agentidp_testkit::{API, TestIdp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::Engine;

mod changes;
mod import;
mod members;

super::on_every_engine!(every_history_is_that_of_the_model);

/// Most agents of an organization of the model.
const AGENTS_MAX: usize = 3;
/// Most live secrets of an agent.
const SECRETS_MAX: usize = agentidp_core::base::limits::LIVE_SECRETS_MAX;
const MONTHLY: i64 = 12;
const TOKEN_LIFE: i64 = 3600;

/// A verb, on things by their places in the model. A place that nobody has is passed over.
#[derive(Debug, Clone)]
enum Verb {
    CreateOrg(usize),
    SuspendOrg(usize),
    ActivateOrg(usize),
    DeleteOrg(usize),
    Register(usize),
    Suspend(usize, usize),
    Reactivate(usize, usize),
    Decommission(usize, usize),
    UpdateOrg(usize, changes::OrgPatch),
    UpdateAgent(usize, usize, changes::AgentPatch),
    Member(usize, usize, members::Change),
    Import(usize, Vec<import::Line>, bool),
    IssueSecret(usize, usize, Option<u64>),
    Rotate(usize, usize, usize, u64),
    Revoke(usize, usize, usize, bool),
    Token(usize, usize, usize),
    RevokeToken(usize),
    Advance(u64),
}

fn verb() -> impl Strategy<Value = Verb> {
    let (org, agent, secret) = (0..2usize, 0..AGENTS_MAX, 0..SECRETS_MAX);
    let seconds = prop_oneof![Just(0u64), 1..100u64, 1000..5000u64];
    let who = (org.clone(), agent.clone());
    let which = (org.clone(), agent, secret);
    prop_oneof![
        2 => org.clone().prop_map(Verb::CreateOrg),
        1 => org.clone().prop_map(Verb::SuspendOrg),
        2 => org.clone().prop_map(Verb::ActivateOrg),
        1 => org.clone().prop_map(Verb::DeleteOrg),
        4 => org.clone().prop_map(Verb::Register),
        1 => who.clone().prop_map(|(o, a)| Verb::Suspend(o, a)),
        2 => who.clone().prop_map(|(o, a)| Verb::Reactivate(o, a)),
        1 => who.clone().prop_map(|(o, a)| Verb::Decommission(o, a)),
        2 => (org.clone(), changes::org_patch()).prop_map(|(o, patch)| Verb::UpdateOrg(o, patch)),
        3 => (who.clone(), changes::agent_patch())
            .prop_map(|((o, a), patch)| Verb::UpdateAgent(o, a, patch)),
        4 => members::change().prop_map(|(o, a, change)| Verb::Member(o, a, change)),
        2 => import::file().prop_map(|(o, lines, dry_run)| Verb::Import(o, lines, dry_run)),
        5 => (who, prop::option::of(seconds.clone().prop_map(|s| s + 1)))
            .prop_map(|((o, a), life)| Verb::IssueSecret(o, a, life)),
        2 => (which.clone(), seconds.clone()).prop_map(|((o, a, s), over)| Verb::Rotate(o, a, s, over)),
        2 => (which.clone(), any::<bool>()).prop_map(|((o, a, s), all)| Verb::Revoke(o, a, s, all)),
        10 => which.prop_map(|(o, a, s)| Verb::Token(o, a, s)),
        2 => (0..20usize).prop_map(Verb::RevokeToken),
        3 => seconds.prop_map(Verb::Advance),
    ]
}

struct Org {
    id: OrgId,
    name: String,
    plan: PlanTier,
    max_agents: i64,
    monthly: i64,
    life: Option<i64>,
    status: OrgStatus,
    agents: Vec<Agent>,
    issued: i64,
}

impl Org {
    /// How many agents there are that take a place.
    fn live(&self) -> i64 {
        let gone = |agent: &&Agent| agent.status != AgentStatus::Decommissioned;
        self.agents.iter().filter(gone).count() as i64
    }

    fn seen(&self) -> SeenOrg {
        (self.status, self.name.clone(), self.plan, self.max_agents, self.monthly, self.life)
    }
}

/// What can be read of an organization.
type SeenOrg = (OrgStatus, String, PlanTier, i64, i64, Option<i64>);

fn seen_org(org: &agentidp_core::Org) -> SeenOrg {
    let (agents, monthly) = (org.max_agents, org.max_tokens_per_month);
    let life = org.token_life_seconds_max;
    (org.status, org.name.clone(), org.plan_tier, agents, monthly, life)
}

struct Agent {
    id: AgentId,
    name: String,
    owner: Option<String>,
    scopes: String,
    life: Option<i64>,
    status: AgentStatus,
    member: Option<Member>,
    secrets: Vec<Secret>,
}

impl Agent {
    fn new(id: AgentId, name: String) -> Agent {
        Agent {
            id,
            name,
            owner: None,
            scopes: "tools:read".to_owned(),
            life: None,
            status: AgentStatus::Active,
            member: None,
            secrets: Vec::new(),
        }
    }

    fn seen(&self) -> SeenAgent {
        let (name, owner) = (self.name.clone(), self.owner.clone());
        (self.id.to_string(), self.status, name, owner, self.scopes.clone(), self.life)
    }
}

/// What can be read of an agent.
type SeenAgent = (String, AgentStatus, String, Option<String>, String, Option<i64>);

fn seen_agent(agent: &agentidp_core::Agent) -> SeenAgent {
    let (name, owner, scopes) = (agent.name.clone(), agent.owner.clone(), agent.scopes.to_string());
    (agent.id.to_string(), agent.status, name, owner, scopes, agent.token_life_seconds_max)
}

fn listed(handle: &OrgHandle) -> Vec<agentidp_core::Agent> {
    handle.list_agents(&AgentFilter::All, &PageRequest::first()).unwrap().items
}

struct Secret {
    id: CredentialId,
    text: String,
    revoked: bool,
    expires_at: Option<u64>,
}

struct Token {
    org: usize,
    agent: usize,
    secret: String,
    text: String,
    alive: bool,
    expires_at: u64,
}

/// What should be, in the plainest terms. Time is in seconds since the beginning.
struct Model {
    test: TestIdp,
    orgs: [Option<Org>; 2],
    tokens: Vec<Token>,
    now: u64,
    /// Lines of imports so far.
    lines: usize,
}

fn every_history_is_that_of_the_model(engine: Engine) {
    let cases = match engine {
        Engine::Memory => 40,
        _ => 6,
    };
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mut random = [0; 8];
    SystemRng.fill(&mut random).unwrap();
    let seed = number("MODEL_SEED").unwrap_or(u64::from_le_bytes(random));
    let cases = number("MODEL_CASES").and_then(|n| u32::try_from(n).ok()).unwrap_or(cases);
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let history = prop::collection::vec(verb(), 1..60);
    let ran = runner.run(&history, |history| {
        let mut model =
            Model { test: engine.idp(), orgs: [None, None], tokens: Vec::new(), now: 0, lines: 0 };
        // Without this a random history seldom comes to anything.
        for verb in [Verb::CreateOrg(0), Verb::Register(0), Verb::IssueSecret(0, 0, None)] {
            model.take(verb);
        }
        for verb in history {
            model.take(verb);
            model.agree();
        }
        model.test.finish();
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("MODEL_SEED={seed}: {failure}");
    }
}

impl Model {
    fn handle(&self, org: usize) -> Option<OrgHandle> {
        self.orgs[org].as_ref().map(|known| self.test.idp.org(&known.id))
    }

    /// The handle of the other organization, to which nothing of this one is there.
    fn stranger(&self, org: usize) -> Option<OrgHandle> {
        self.handle(1 - org)
    }

    fn agent(&self, org: usize, agent: usize) -> Option<(&Org, &Agent)> {
        let org = self.orgs[org].as_ref()?;
        Some((org, org.agents.get(agent)?))
    }

    fn take(&mut self, verb: Verb) {
        match verb {
            Verb::CreateOrg(org) => self.create_org(org),
            Verb::SuspendOrg(org) => self.turn_org(org, OrgStatus::Suspended),
            Verb::ActivateOrg(org) => self.turn_org(org, OrgStatus::Active),
            Verb::DeleteOrg(org) => self.turn_org(org, OrgStatus::Deleted),
            Verb::Register(org) => self.register(org),
            Verb::Suspend(org, agent) => self.turn_agent(org, agent, AgentStatus::Suspended),
            Verb::Reactivate(org, agent) => self.turn_agent(org, agent, AgentStatus::Active),
            Verb::Decommission(org, agent) => {
                self.turn_agent(org, agent, AgentStatus::Decommissioned);
            }
            Verb::UpdateOrg(org, patch) => self.update_org(org, patch),
            Verb::UpdateAgent(org, agent, patch) => self.update_agent(org, agent, patch),
            Verb::Member(org, agent, change) => self.change_member(org, agent, change),
            Verb::Import(org, lines, dry_run) => self.import(org, &lines, dry_run),
            Verb::IssueSecret(org, agent, life) => self.issue_secret(org, agent, life),
            Verb::Rotate(org, agent, secret, overlap) => self.rotate(org, agent, secret, overlap),
            Verb::Revoke(org, agent, secret, all) => self.revoke(org, agent, secret, all),
            Verb::Token(org, agent, secret) => self.token(org, agent, secret),
            Verb::RevokeToken(token) => self.revoke_token(token),
            Verb::Advance(seconds) => {
                self.test.clock.step(Duration::from_secs(seconds));
                self.now += seconds;
            }
        }
    }

    fn create_org(&mut self, org: usize) {
        let new = NewOrg::new(format!("org-{org}"))
            .max_agents(AGENTS_MAX as i64)
            .max_tokens_per_month(MONTHLY);
        let made = self.test.idp.create_org(new);
        assert_eq!(made.is_ok(), self.orgs[org].is_none(), "a slug is taken once, and for good");
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
                issued: 0,
            });
        }
    }

    fn turn_org(&mut self, org: usize, to: OrgStatus) {
        let Some(handle) = self.handle(org) else { return };
        let turned = match to {
            OrgStatus::Active => handle.activate(),
            OrgStatus::Suspended => handle.suspend(),
            OrgStatus::Deleted => handle.delete(),
        };
        let Some(known) = &mut self.orgs[org] else { return };
        let deleted = known.status == OrgStatus::Deleted;
        assert_eq!(turned.is_ok(), !deleted || to == OrgStatus::Deleted, "to {to:?}");
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

    fn register(&mut self, org: usize) {
        let Some(handle) = self.handle(org) else { return };
        let made = handle.register_agent(NewAgent::new("bot").scope("tools:read").audience(API));
        let Some(known) = &mut self.orgs[org] else { return };
        let live = known.live();
        let allowed = known.status == OrgStatus::Active && live < known.max_agents;
        assert_eq!(made.is_ok(), allowed, "{live} agents, {:?}", known.status);
        if let Ok(made) = made {
            known.agents.push(Agent::new(made.id, "bot".to_owned()));
        }
    }

    fn turn_agent(&mut self, org: usize, agent: usize, to: AgentStatus) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let change = |handle: &OrgHandle| match to {
            AgentStatus::Active => handle.reactivate_agent(&own.id),
            AgentStatus::Suspended => handle.suspend_agent(&own.id),
            AgentStatus::Decommissioned => handle.decommission_agent(&own.id),
        };
        if let Some(stranger) = self.stranger(org) {
            assert!(change(&stranger).is_err(), "an agent of another organization");
        }
        let ends = to == AgentStatus::Decommissioned;
        let expected = if known.status == OrgStatus::Deleted {
            Err(ErrorCode::NotActive)
        } else if own.status == AgentStatus::Decommissioned && !ends {
            Err(ErrorCode::Decommissioned)
        } else if ends && known.last_owner(agent) {
            Err(ErrorCode::LastOwner)
        } else {
            Ok(())
        };
        let Some(handle) = self.handle(org) else { return };
        let changed = change(&handle).map(|_| ()).map_err(|refused| refused.code());
        assert_eq!(changed, expected, "{:?} to {to:?} in {:?}", own.status, known.status);
        if expected.is_err() {
            return;
        }
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].status = to;
            if ends {
                known.agents[agent].member = None;
                known.agents[agent].secrets.iter_mut().for_each(|secret| secret.revoked = true);
            }
        }
        if to != AgentStatus::Active {
            self.end_tokens(|token| token.org == org && token.agent == agent);
        }
    }

    fn live(&self, secret: &Secret) -> bool {
        !secret.revoked && secret.expires_at.is_none_or(|expires_at| self.now < expires_at)
    }

    fn issue_secret(&mut self, org: usize, agent: usize, life: Option<u64>) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let mut new = NewCredential::default();
        if let Some(seconds) = life {
            new = new.expires_in(Duration::from_secs(seconds));
        }
        if let Some(stranger) = self.stranger(org) {
            assert!(stranger.issue_credential(&own.id, new.clone()).is_err());
        }
        let Some(handle) = self.handle(org) else { return };
        let issued = handle.issue_credential(&own.id, new);
        let live = own.secrets.iter().filter(|secret| self.live(secret)).count();
        let allowed = known.status != OrgStatus::Deleted
            && own.status == AgentStatus::Active
            && live < SECRETS_MAX;
        assert_eq!(issued.is_ok(), allowed, "{live} live, {:?}", own.status);
        let Ok(issued) = issued else { return };
        self.keep(org, agent, &issued, life.map(|seconds| self.now + seconds));
    }

    fn keep(
        &mut self,
        org: usize,
        agent: usize,
        issued: &agentidp_core::IssuedCredential,
        expires_at: Option<u64>,
    ) {
        self.test.canary(issued.secret());
        let (id, text) = (issued.credential().id.clone(), issued.secret().to_owned());
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].secrets.push(Secret { id, text, revoked: false, expires_at });
        }
    }

    fn rotate(&mut self, org: usize, agent: usize, secret: usize, overlap: u64) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(old) = own.secrets.get(secret) else { return };
        let over = Duration::from_secs(overlap);
        if let Some(stranger) = self.stranger(org) {
            assert!(stranger.rotate_credential(&old.id, over).is_err());
        }
        let Some(handle) = self.handle(org) else { return };
        let rotated = handle.rotate_credential(&old.id, over);
        let live = |other: &&Secret| self.live(other) && (overlap > 0 || other.id != old.id);
        let staying = own.secrets.iter().filter(live).count();
        let allowed = known.status != OrgStatus::Deleted
            && own.status == AgentStatus::Active
            && self.live(old)
            && staying < SECRETS_MAX;
        assert_eq!(rotated.is_ok(), allowed, "{staying} stay, {:?}", own.status);
        let Ok(rotated) = rotated else { return };
        // The old one ends with the overlap, and the new one is read as it was made.
        let end = self.now + overlap;
        let end = old.expires_at.map_or(end, |expires_at| expires_at.min(end));
        let life = rotated.credential().expires_at.map(|expires_at| {
            let left = expires_at.as_micros() - rotated.credential().created_at.as_micros();
            self.now + u64::try_from(left).unwrap() / 1_000_000
        });
        self.keep(org, agent, &rotated, life);
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].secrets[secret].expires_at = Some(end);
        }
    }

    fn revoke(&mut self, org: usize, agent: usize, secret: usize, all: bool) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(old) = own.secrets.get(secret) else { return };
        let tokens = if all { RevokeTokens::Yes } else { RevokeTokens::No };
        if let Some(stranger) = self.stranger(org) {
            assert!(stranger.revoke_credential(&old.id, tokens).is_err());
        }
        let Some(handle) = self.handle(org) else { return };
        let revoked = handle.revoke_credential(&old.id, tokens);
        let allowed = known.status != OrgStatus::Deleted;
        assert_eq!(revoked.is_ok(), allowed, "{:?}", known.status);
        if !allowed {
            return;
        }
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].secrets[secret].revoked = true;
        }
        if all {
            self.end_tokens(|token| token.org == org && token.agent == agent);
        }
    }

    fn token(&mut self, org: usize, agent: usize, secret: usize) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(secret) = own.secrets.get(secret) else { return };
        let request = TokenRequest::client_credentials(&own.id, secret.text.as_str());
        let issued = self.test.idp.token(&request);
        let allowed = known.status == OrgStatus::Active
            && own.status == AgentStatus::Active
            && self.live(secret)
            && known.issued < known.monthly;
        assert_eq!(issued.is_ok(), allowed, "{issued:?}");
        let Ok(issued) = issued else { return };
        let limits = [Some(TOKEN_LIFE), known.life, own.life];
        let life = limits.into_iter().flatten().min().unwrap_or(TOKEN_LIFE);
        assert_eq!((issued.expires_in, issued.scope.as_deref()), (life, Some(own.scopes.as_str())));
        self.tokens.push(Token {
            org,
            agent,
            secret: secret.text.clone(),
            text: issued.access_token,
            alive: true,
            expires_at: self.now + life.unsigned_abs(),
        });
        if let Some(known) = &mut self.orgs[org] {
            known.issued += 1;
        }
    }

    fn revoke_token(&mut self, token: usize) {
        let Some(token) = self.tokens.get_mut(token) else { return };
        // By the client itself: who may not act any more may not revoke either.
        let client = self.orgs[token.org].as_ref().and_then(|org| org.agents.get(token.agent));
        let Some(client) = client else { return };
        let request = RevocationRequest::new(token.text.as_str());
        let request = request.client(&client.id, token.secret.as_str());
        if self.test.idp.revoke(&request).is_ok() {
            token.alive = false;
        }
    }

    fn end_tokens(&mut self, which: impl Fn(&Token) -> bool) {
        let ended = self.tokens.iter_mut().filter(|token| which(token));
        ended.for_each(|token| token.alive = false);
    }

    /// Everything that can be asked is as the model has it.
    fn agree(&self) {
        for (org, known) in self.orgs.iter().enumerate() {
            let (Some(known), Some(handle)) = (known, self.handle(org)) else { continue };
            assert_eq!(seen_org(&handle.get().unwrap()), known.seen());
            assert_eq!(handle.usage().unwrap().issued, known.issued, "tokens of the month");
            let mut own: Vec<_> = known.agents.iter().map(Agent::seen).collect();
            own.sort_by(|a, b| a.0.cmp(&b.0));
            let seen: Vec<_> = listed(&handle).iter().map(seen_agent).collect();
            assert_eq!(seen, own);
            self.members_agree(org);
        }
        for (at, token) in self.tokens.iter().enumerate() {
            let told = self.test.idp.introspect(&IntrospectionRequest::new(token.text.as_str()));
            let active = told.unwrap().active;
            assert_eq!(active, token.alive && self.now < token.expires_at, "token {at}");
        }
    }
}
