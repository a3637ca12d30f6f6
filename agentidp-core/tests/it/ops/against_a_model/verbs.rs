//! The verbs of the model: what they are, how often each is, and on what.
//!
//! A place that nobody has is passed over. What was made first is chosen most often, so that a history
//! comes to more than a first step with each thing; of what ends and is made anew, the last.

use std::time::Duration;

use agentidp_core::base::limits;
use agentidp_core::{AgentStatus, OrgStatus, Role};
use proptest::option::{of, weighted};
use proptest::prelude::*;

use super::bearers::{Deed, deed};
use super::changes::{AgentPatch, OrgPatch, agent_patch, org_patch};
use super::ends::{Way, way};
use super::members::{Change, change};
use super::once::{End, end};
use super::proofs::{By, by};
use super::tokens::{Ask, ask};
use super::{Model, PAIRS, SCOPES, Token, import};

/// An agent of an organization, by the places of both.
type Who = (usize, usize);

/// A verb, on things by their places in the model.
#[derive(Debug, Clone)]
pub(super) enum Verb {
    CreateOrg(usize),
    TurnOrg(usize, OrgStatus),
    UpdateOrg(usize, OrgPatch),
    Register(usize, usize),
    TurnAgent(Who, AgentStatus),
    UpdateAgent(Who, AgentPatch),
    Member(Who, Change),
    Import(usize, Vec<import::Line>, bool),
    IssueSecret(Who, Option<u64>),
    Rotate(Who, usize, u64),
    Revoke(Who, usize, bool),
    AddPublicKeys(Who, Run, Option<u64>),
    AddAgentKeys(Who, Run),
    RotateAgentKey(Who, u64),
    RevokeAgentKey(Who, usize),
    Token(Who, By, Ask),
    Replay(usize),
    Exchange(Who, By, Ask, (Pick, Option<Pick>)),
    RevokeToken(Pick, Option<Who>, By),
    EndToken(usize, Pick, Way),
    Bear(Pick, bool, Deed),
    Once(usize, Option<Pick>, usize, End),
    RotateKey(bool, bool),
    RevokeKey(usize),
    Tick,
    Advance(u64),
}

pub(super) fn verb() -> impl Strategy<Value = Verb> {
    let life = || of(seconds().prop_map(|seconds| seconds + 1));
    prop_oneof![
        1 => org().prop_map(Verb::CreateOrg),
        5 => (org(), org_status()).prop_map(|(org, to)| Verb::TurnOrg(org, to)),
        2 => (org(), org_patch()).prop_map(|(org, patch)| Verb::UpdateOrg(org, patch)),
        3 => (org(), scopes()).prop_map(|(org, scopes)| Verb::Register(org, scopes)),
        6 => (who(), status()).prop_map(|(who, to)| Verb::TurnAgent(who, to)),
        3 => (who(), agent_patch()).prop_map(|(who, patch)| Verb::UpdateAgent(who, patch)),
        4 => (who(), change()).prop_map(|(who, change)| Verb::Member(who, change)),
        1 => import::file().prop_map(|(org, lines, dry_run)| Verb::Import(org, lines, dry_run)),
        4 => (who(), life()).prop_map(|(who, life)| Verb::IssueSecret(who, life)),
        2 => (who(), back(), seconds()).prop_map(|(who, back, over)| Verb::Rotate(who, back, over)),
        2 => (who(), back(), any::<bool>())
            .prop_map(|(who, back, all)| Verb::Revoke(who, back, all)),
        4 => (who(), run(), life())
            .prop_map(|(who, run, life)| Verb::AddPublicKeys(who, run, life)),
        3 => (who(), run()).prop_map(|(who, run)| Verb::AddAgentKeys(who, run)),
        2 => (who(), seconds()).prop_map(|(who, over)| Verb::RotateAgentKey(who, over)),
        2 => (who(), back()).prop_map(|(who, back)| Verb::RevokeAgentKey(who, back)),
        15 => (who(), by(), ask()).prop_map(|(who, by, ask)| Verb::Token(who, by, ask)),
        1 => (0..10usize).prop_map(Verb::Replay),
        8 => (who(), by(), ask(), (pick(), weighted(0.3, pick())))
            .prop_map(|(who, by, ask, handed)| Verb::Exchange(who, by, ask, handed)),
        3 => (pick(), weighted(0.4, who()), by())
            .prop_map(|(pick, who, by)| Verb::RevokeToken(pick, who, by)),
        3 => (org(), pick(), way()).prop_map(|(org, pick, way)| Verb::EndToken(org, pick, way)),
        15 => (pick(), prop::bool::weighted(0.1), deed())
            .prop_map(|(pick, abroad, deed)| Verb::Bear(pick, abroad, deed)),
        4 => (org(), of(pick()), 0..2usize, end())
            .prop_map(|(org, bearer, key, end)| Verb::Once(org, bearer, key, end)),
        3 => (prop::bool::weighted(0.3), any::<bool>())
            .prop_map(|(eddsa, hurry)| Verb::RotateKey(eddsa, hurry)),
        1 => (0..6usize).prop_map(Verb::RevokeKey),
        3 => Just(Verb::Tick),
        4 => prop_oneof![3 => seconds(), 1 => 86_000..91_000u64].prop_map(Verb::Advance),
    ]
}

/// Without this a random history seldom comes to anything: two organizations, an owner who may do all
/// that an agent may, another agent that may act for it, and what they prove themselves by.
pub(super) fn beginning() -> Vec<Verb> {
    let (manager, plain) = (SCOPES.len() - 1, 0);
    vec![
        Verb::CreateOrg(0),
        Verb::CreateOrg(1),
        Verb::Register(0, manager),
        Verb::Register(0, plain),
        Verb::Register(1, manager),
        Verb::Member((0, 0), Change::Add(Role::Owner)),
        Verb::IssueSecret((0, 0), None),
        Verb::IssueSecret((0, 1), None),
        Verb::IssueSecret((1, 0), None),
        Verb::AddPublicKeys((0, 1), Run { from: 0, count: 1 }, None),
        Verb::Token((0, 0), By::Secret(0), Ask::for_us(1)),
    ]
}

pub(super) fn org() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0usize), 1 => Just(1usize)]
}

pub(super) fn agent() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0usize), 3 => Just(1usize), 2 => 2..5usize]
}

fn who() -> impl Strategy<Value = Who> {
    (org(), agent())
}

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0u64), 1..100u64, 1000..5000u64]
}

/// A place counted from the last one.
pub(super) fn back() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0usize), 2 => 1..3usize, 1 => 3..6usize]
}

/// The place of a key that agents may be given.
pub(super) fn pair() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..3usize, 1 => 0..PAIRS]
}

/// The place of what an agent is registered with.
pub(super) fn scopes() -> impl Strategy<Value = usize> {
    0..SCOPES.len()
}

fn org_status() -> impl Strategy<Value = OrgStatus> {
    prop_oneof![
        1 => Just(OrgStatus::Suspended),
        3 => Just(OrgStatus::Active),
        1 => Just(OrgStatus::Deleted),
    ]
}

pub(super) fn status() -> impl Strategy<Value = AgentStatus> {
    prop_oneof![
        1 => Just(AgentStatus::Suspended),
        4 => Just(AgentStatus::Active),
        1 => Just(AgentStatus::Decommissioned),
    ]
}

/// Keys one after the other, now and then one more than an agent may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    from: usize,
    count: usize,
}

fn run() -> impl Strategy<Value = Run> {
    let too_many = limits::LIVE_PUBLIC_KEYS_MAX.max(limits::AGENT_KEYS_MAX) + 1;
    let count = prop_oneof![6 => Just(1usize), 2 => 2..4usize, 1 => Just(too_many)];
    (pair(), count).prop_map(|(from, count)| Run { from, count })
}

impl Run {
    fn places(self) -> impl Iterator<Item = usize> {
        (self.from..self.from + self.count).map(|place| place % PAIRS)
    }
}

/// A token: the one at a place among those that suit what is to be done with it, or among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    place: usize,
    suits: bool,
}

pub(super) fn pick() -> impl Strategy<Value = Pick> {
    (0..24usize, prop::bool::weighted(0.8)).prop_map(|(place, suits)| Pick { place, suits })
}

impl Model {
    /// The place of the token.
    pub(super) fn pick(&self, pick: Pick, suits: impl Fn(&Token) -> bool) -> Option<usize> {
        let all = 0..self.tokens.len();
        let all: Vec<_> = all.filter(|at| !pick.suits || suits(&self.tokens[*at])).collect();
        all.get(pick.place % all.len().max(1)).copied()
    }

    pub(super) fn take(&mut self, verb: Verb) {
        match verb {
            Verb::CreateOrg(org) => self.create_org(org),
            Verb::TurnOrg(org, to) => self.turn_org(org, to),
            Verb::UpdateOrg(org, patch) => {
                self.as_operator(org, |model, acting| model.update_org(acting, org, patch));
            }
            Verb::Register(org, scopes) => {
                self.as_operator(org, |model, acting| model.register(acting, org, scopes));
            }
            Verb::TurnAgent((org, agent), to) => {
                self.as_operator(org, |model, acting| model.turn_agent(acting, org, agent, to));
            }
            Verb::UpdateAgent((org, agent), patch) => {
                self.as_operator(org, |model, acting| {
                    model.update_agent(acting, org, agent, patch);
                });
            }
            Verb::Member((org, agent), change) => {
                self.as_operator(org, |model, acting| {
                    model.change_member(acting, org, agent, change);
                });
            }
            Verb::Import(org, lines, dry_run) => self.import(org, &lines, dry_run),
            Verb::IssueSecret((org, agent), life) => {
                self.as_operator(org, |model, acting| model.issue_secret(acting, org, agent, life));
            }
            Verb::Rotate((org, agent), back, overlap) => self.rotate(org, agent, back, overlap),
            Verb::Revoke((org, agent), back, all) => self.revoke(org, agent, back, all),
            Verb::AddPublicKeys((org, agent), run, life) => {
                run.places().for_each(|place| self.add_public_key(org, agent, place, life));
            }
            Verb::AddAgentKeys((org, agent), run) => self.as_operator(org, |model, acting| {
                run.places().for_each(|place| model.add_agent_key(acting, org, agent, place));
            }),
            Verb::RotateAgentKey((org, agent), over) => self.rotate_agent_key(org, agent, over),
            Verb::RevokeAgentKey((org, agent), back) => self.revoke_agent_key(org, agent, back),
            Verb::Token((org, agent), by, ask) => self.token(org, agent, by, ask),
            Verb::Replay(place) => self.replay(place),
            Verb::Exchange(who, by, ask, handed) => self.exchange(who, by, ask, handed),
            Verb::RevokeToken(pick, who, by) => self.revoke_token(pick, who, by),
            Verb::EndToken(org, pick, way) => {
                self.as_operator(org, |model, acting| model.end_token(acting, org, pick, way));
            }
            Verb::Bear(pick, abroad, deed) => self.bear(pick, abroad, deed),
            Verb::Once(org, bearer, key, end) => self.once(org, bearer, key, end),
            Verb::RotateKey(eddsa, hurry) => self.rotate_key(eddsa, hurry),
            Verb::RevokeKey(place) => self.revoke_key(place),
            Verb::Tick => self.tick(),
            Verb::Advance(seconds) => {
                self.test.clock.step(Duration::from_secs(seconds));
                self.now += seconds;
            }
        }
    }
}
