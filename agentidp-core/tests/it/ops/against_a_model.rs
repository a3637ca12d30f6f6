//! Random verbs against a plain model in memory: after each, the instance and the model agree on
//! what was refused and why, on what can be read, on who may get a token, on which tokens are alive, and
//! on which keys are published.
//!
//! A failure prints its seed and the shortest history that it could find. `MODEL_SEED` repeats a run,
//! `MODEL_CASES` makes it longer.

use std::rc::Rc;

use agentidp_core::base::limits;
use agentidp_core::crypto::Alg;
use agentidp_core::{
    AgentFilter, AgentId, AgentKey, AgentStatus, Clock as _, CredentialId, ErrorCode, Jti, Member,
    Month, OrgHandle, OrgId, OrgStatus, PageRequest, PlanTier, Rng as _, Role, SystemRng,
    Timestamp,
};
use agentidp_testkit::TestIdp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::Engine;
use super::key_holder::KeyHolder;

mod acting;
mod agent_keys;
mod bearers;
mod changes;
mod credentials;
mod ends;
mod exchange;
mod import;
mod life;
mod members;
mod once;
mod proofs;
mod signing;
mod tokens;
mod verbs;

super::on_every_engine!(every_history_is_that_of_the_model);

/// Most agents of an organization of the model.
const AGENTS_MAX: usize = 3;
/// Most live secrets of an agent.
const SECRETS_MAX: usize = limits::LIVE_SECRETS_MAX;
/// Keys that agents are given: one may be given more than it may have.
const PAIRS: usize = limits::LIVE_PUBLIC_KEYS_MAX + 2;
const MONTHLY: i64 = 12;
const TOKEN_LIFE: i64 = 3600;
/// For how long a token that is over still passes with who grants the skew.
const SKEW: u64 = limits::SKEW_SECONDS.unsigned_abs();

/// What agents are registered with.
const SCOPES: [&str; 4] = [
    "tools:read",
    "tools:read tools:write openid",
    "tools:read openid agents:read agents:write credentials:read credentials:write",
    "tools:read tools:write openid agents:read agents:write credentials:read credentials:write \
     tokens:introspect tokens:revoke",
];

fn has(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|own| own == scope)
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
    /// The month of the last token, and how many there were in it.
    issued: (Month, i64),
}

impl Org {
    /// How many agents there are that take a place.
    fn live(&self) -> i64 {
        let gone = |agent: &&Agent| agent.status != AgentStatus::Decommissioned;
        self.agents.iter().filter(gone).count() as i64
    }

    /// How many tokens were issued in that month.
    fn issued_in(&self, month: Month) -> i64 {
        if self.issued.0 == month { self.issued.1 } else { 0 }
    }

    /// What is deleted changes no more.
    fn unless_deleted(&self) -> Result<(), ErrorCode> {
        if self.status == OrgStatus::Deleted { Err(ErrorCode::NotActive) } else { Ok(()) }
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
    credentials: Vec<Credential>,
    /// All that it ever had, as they should be told.
    keys: Vec<AgentKey>,
}

impl Agent {
    fn role(&self) -> Option<Role> {
        self.member.as_ref().map(|member| member.role)
    }

    fn unless_inactive(&self) -> Result<(), ErrorCode> {
        if self.status == AgentStatus::Active { Ok(()) } else { Err(ErrorCode::NotActive) }
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

struct Credential {
    id: CredentialId,
    shown: Shown,
    revoked: bool,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// What proves an agent by a credential.
enum Shown {
    Secret(String),
    /// The key at that place.
    Key(usize),
}

/// A key that agents may be given, and who holds it.
struct Pair {
    holder: KeyHolder,
    kid: String,
    jwk: String,
}

impl Pair {
    fn new(place: usize) -> Pair {
        let holder = KeyHolder::new(if place % 3 == 2 { Alg::Es256 } else { Alg::EdDsa });
        let (kid, jwk) = (holder.kid(), holder.jwk().to_string());
        Pair { holder, kid, jwk }
    }
}

/// Agents are told by their places in the organization.
struct Token {
    org: usize,
    /// Whom it is about.
    subject: usize,
    /// Who asked for it.
    client: usize,
    /// Who acts for the subject, the one that acts now first.
    actors: Vec<usize>,
    may_act: Option<usize>,
    audience: &'static str,
    scopes: String,
    /// The place of the key that it is bound to.
    bound: Option<usize>,
    /// The name of the key that signed it.
    kid: String,
    jti: Jti,
    text: String,
    alive: bool,
    expires_at: u64,
}

impl Token {
    /// Whether it ends with the tokens of that agent.
    fn stands_on(&self, org: usize, agent: usize) -> bool {
        self.org == org && (self.subject == agent || self.actors.contains(&agent))
    }
}

/// What should be, in the plainest terms.
struct Model {
    test: TestIdp,
    pairs: Rc<[Pair]>,
    orgs: [Option<Org>; 2],
    tokens: Vec<Token>,
    signing: signing::Keys,
    uses: once::Uses,
    /// Assertions that were used, of clients of that organization.
    assertions: Vec<(usize, String)>,
    /// The second of the beginning, and how many have passed since.
    began: i64,
    now: u64,
    /// Lines of imports so far.
    lines: usize,
    /// Names of assertions and proofs so far.
    names: usize,
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
    let pairs: Rc<[Pair]> = (0..PAIRS).map(Pair::new).collect();
    let history = prop::collection::vec(verbs::verb(), 1..60);
    let ran = runner.run(&history, |history| {
        let mut model = Model::new(engine.idp(), Rc::clone(&pairs));
        for verb in verbs::beginning() {
            model.take(verb);
        }
        model.agree();
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

/// What an answer comes to, for who compares it with what the model expects.
fn told<T, E>(answer: &Result<T, E>, code: fn(&E) -> ErrorCode) -> Result<(), ErrorCode> {
    answer.as_ref().map(|_| ()).map_err(code)
}

/// Whether there is room for one more where there are `count`.
fn room(count: usize, max: usize) -> Result<(), ErrorCode> {
    if count < max { Ok(()) } else { Err(ErrorCode::LimitReached) }
}

impl Model {
    fn new(test: TestIdp, pairs: Rc<[Pair]>) -> Model {
        let (signing, began) = (signing::Keys::of(&test.idp), test.clock.now().as_seconds());
        Model {
            test,
            pairs,
            orgs: [None, None],
            tokens: Vec::new(),
            signing,
            uses: once::Uses::new(),
            assertions: Vec::new(),
            began,
            now: 0,
            lines: 0,
            names: 0,
        }
    }

    fn time(&self) -> Timestamp {
        self.test.clock.now()
    }

    /// A name that nothing had.
    fn name(&mut self) -> String {
        self.names += 1;
        format!("name {}", self.names)
    }

    fn handle(&self, org: usize) -> Option<OrgHandle> {
        self.orgs[org].as_ref().map(|known| self.test.idp.org(&known.id))
    }

    /// The handle of the other organization, to which nothing of this one is there, and what it is told
    /// when it would change that.
    fn stranger(&self, org: usize) -> Option<(OrgHandle, ErrorCode)> {
        let other = self.orgs[1 - org].as_ref()?;
        let code = other.unless_deleted().err().unwrap_or(ErrorCode::NotFound);
        Some((self.test.idp.org(&other.id), code))
    }

    fn agent(&self, org: usize, agent: usize) -> Option<(&Org, &Agent)> {
        let org = self.orgs[org].as_ref()?;
        Some((org, org.agents.get(agent)?))
    }

    fn end_tokens(&mut self, which: impl Fn(&Token) -> bool) {
        let ended = self.tokens.iter_mut().filter(|token| which(token));
        ended.for_each(|token| token.alive = false);
    }

    /// Everything that can be asked is as the model has it.
    fn agree(&self) {
        let now = self.time();
        for (org, known) in self.orgs.iter().enumerate() {
            let (Some(known), Some(handle)) = (known, self.handle(org)) else { continue };
            assert_eq!(seen_org(&handle.get().unwrap()), known.seen());
            let issued = known.issued_in(Month::of(now));
            assert_eq!(handle.usage().unwrap().issued, issued, "tokens of the month");
            let mut own: Vec<_> = known.agents.iter().map(Agent::seen).collect();
            own.sort_by(|a, b| a.0.cmp(&b.0));
            let seen: Vec<_> = listed(&handle).iter().map(seen_agent).collect();
            assert_eq!(seen, own);
            self.members_agree(org);
            for agent in &known.agents {
                self.credentials_agree(&handle, agent, now);
                agent.keys_agree(&handle, now);
            }
        }
        self.signing_agrees();
        self.tokens_agree();
    }
}
