//! The policy that comes with the library decides as the table does. `POLICY_SEED` replays a run.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{RngSeed, TestRunner};

use super::super::question::{Asking, Question};
use super::super::rego::RegoPolicy;
use super::{ACTIVE, ISSUED};
use crate::base::{OrgId, Rng as _, SYSTEM_ORG, SystemRng, Timestamp};
use crate::model::{ActingAgent, Action, AgentStatus, OrgStatus, Role, ScopeSet, Standing, permit};

const ORGS: [&str; 3] =
    [SYSTEM_ORG, "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"];
const SCOPES: [&str; 14] = [
    "admin:keys",
    "admin:orgs",
    "agents:read",
    "agents:write",
    "audit:read",
    "credentials:read",
    "credentials:write",
    "tokens:introspect",
    "tokens:revoke",
    // Near misses, and a scope of others.
    "Agents:read",
    "agents:read:all",
    "agents:*",
    "owner",
    "tools:read",
];
#[derive(Debug, Clone)]
struct Case {
    agent: ActingAgent,
    standing: Option<Standing>,
    organization: OrgId,
    action: Action,
}

fn org() -> impl Strategy<Value = OrgId> {
    select(&ORGS[..]).prop_map(|id| OrgId::parse(id).unwrap())
}

fn agent() -> impl Strategy<Value = ActingAgent> {
    let scopes = subsequence(&SCOPES[..], 0..=SCOPES.len());
    (org(), scopes).prop_map(|(org, scopes)| super::agent(&org, ScopeSet::of(scopes).unwrap()))
}

/// Mostly one that stands, or the policy would seldom be asked.
fn standing() -> impl Strategy<Value = Standing> {
    let agent = prop_oneof![
        9 => Just(AgentStatus::Active),
        1 => select(&[AgentStatus::Suspended, AgentStatus::Decommissioned][..])
    ];
    let org = prop_oneof![
        9 => Just(OrgStatus::Active),
        1 => select(&[OrgStatus::Suspended, OrgStatus::Deleted][..])
    ];
    let before = prop_oneof![9 => Just(ISSUED - 1), 1 => Just(ISSUED)];
    let role = proptest::option::of(select(&Role::ALL[..]));
    let revoked = proptest::bool::weighted(0.1);
    (agent, org, role, before, revoked).prop_map(
        |(agent_status, org_status, role, before, token_revoked)| Standing {
            agent_status,
            org_status,
            role,
            tokens_not_before: Timestamp::from_micros(before),
            token_revoked,
            ..ACTIVE
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let standing = proptest::option::weighted(0.95, standing());
    (agent(), standing, org(), select(Action::ALL)).prop_map(
        |(agent, standing, organization, action)| Case { agent, standing, organization, action },
    )
}

/// What the policy itself answers, with no wall before it.
fn bare_answer(policy: &RegoPolicy, case: &Case) -> Result<bool, String> {
    let role = case.standing.and_then(|standing| standing.role);
    let asking = Asking::new((&case.agent).into(), role);
    policy.allows(&Question::new(asking, Some(case.organization.as_str()), case.action))
}

#[test]
fn the_built_in_policy_decides_as_the_table_does() {
    let mut random = [0; 8];
    SystemRng.fill(&mut random).unwrap();
    let given = std::env::var("POLICY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(u64::from_le_bytes(random));
    let config = ProptestConfig {
        cases: 4000,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let policy = RegoPolicy::built_in().unwrap();
    let outcome = TestRunner::new(config).run(&case(), |case| {
        let Case { agent, standing, organization, action } = &case;
        let by_table = permit(agent, *standing, organization, *action);
        prop_assert_eq!(policy.permit(agent, *standing, organization, *action), by_table);
        // The walls must not be what makes them agree: of one who stands, the policy alone says it too.
        if standing.is_some_and(|standing| standing.admits(&agent.jti)) {
            prop_assert_eq!(bare_answer(&policy, &case), Ok(by_table.is_ok()));
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("POLICY_SEED={seed}: {error}");
    }
}

/// Each action for each role and each single scope, between all pairs of organizations.
#[test]
fn the_built_in_policy_has_every_row_of_the_table() {
    let policy = RegoPolicy::built_in().unwrap();
    let orgs = ORGS.map(|id| OrgId::parse(id).unwrap());
    let mut allowed = 0;
    for (own, organization) in orgs.iter().flat_map(|own| orgs.iter().map(move |org| (own, org))) {
        for scope in SCOPES.iter().copied().chain([""]) {
            for role in Role::ALL.into_iter().map(Some).chain([None]) {
                for action in Action::ALL.iter().copied() {
                    let case = Case {
                        agent: super::agent(own, ScopeSet::parse(scope).unwrap()),
                        standing: Some(Standing { role, ..ACTIVE }),
                        organization: organization.clone(),
                        action,
                    };
                    let by_table = permit(&case.agent, case.standing, organization, action);
                    assert_eq!(bare_answer(&policy, &case), Ok(by_table.is_ok()), "{case:?}");
                    allowed += usize::from(by_table.is_ok());
                }
            }
        }
    }
    assert!(allowed > 200, "{allowed}: the table allows something");
}
