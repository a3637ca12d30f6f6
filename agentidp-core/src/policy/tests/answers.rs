//! What comes of an answer: `true` allows, and nothing else does.

use std::time::{Duration, Instant};

use super::super::question::{Asking, Question};
use super::super::rego::RegoPolicy;
use super::cast::{ACTIVE, policy};
use crate::base::{AgentId, OrgId, limits};
use crate::model::{
    ActingAgent, Action, ActorChain, AgentStatus, Denied, Role, ScopeSet, Standing,
};

fn org(last: &str) -> OrgId {
    OrgId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap()
}

fn agent(organization: &OrgId, scopes: &str) -> ActingAgent {
    super::cast::agent(organization, ScopeSet::parse(scopes).unwrap())
}

/// What `policy` says of an agent with `scopes` that wants to see agents of its own organization.
fn seeing_agents(policy: &RegoPolicy, scopes: &str) -> Result<(), Denied> {
    policy.permit(&agent(&org("1"), scopes), Some(ACTIVE), &org("1"), Action::SeeAgents)
}

/// Rules that do as they should until an agent with the scope `bad:one` comes.
const UNTIL: &str = "
default allow := false
ours if { is_string(input.organization); input.organization == input.agent.organization }
bad if \"bad:one\" in input.agent.scopes
allow if { ours; not bad }
";

#[test]
fn a_policy_that_fails_loops_or_says_something_else_denies() {
    for (what, rule, denied) in [
        ("fails", "allow if { bad; to_number(\"x\") == 1 }", Denied::PolicyFailed),
        ("fails under `not`", "allow if { bad; not to_number(\"x\") }", Denied::PolicyFailed),
        ("calls nothing that is there", "allow if { bad; nothing(1) }", Denied::PolicyFailed),
        ("asks the network", "allow if { bad; http.send({}) }", Denied::PolicyFailed),
        ("contradicts itself", "allow := false if bad\nallow if bad", Denied::PolicyFailed),
        ("is no boolean", "allow := \"true\" if bad", Denied::PolicyFailed),
        ("is a number", "allow := 1 if bad", Denied::PolicyFailed),
        ("is undefined inside", "allow if { bad; input.agent.nothing == 1 }", Denied::Policy),
    ] {
        let policy = policy(&format!("{UNTIL}{rule}")).unwrap();
        assert_eq!(seeing_agents(&policy, "agents:read"), Ok(()), "{what}");
        assert_eq!(seeing_agents(&policy, "agents:read bad:one"), Err(denied), "{what}");
        assert_eq!(seeing_agents(&policy, "agents:read"), Ok(()), "{what}, and it is over");
    }
}

#[test]
fn a_policy_that_takes_too_long_is_stopped_and_denies() {
    let rule = "numbers_ := numbers.range(1, 100000)
        allow if { bad; some a in numbers_; some b in numbers_; a * b == -1 }";
    let policy = policy(&format!("{UNTIL}{rule}")).unwrap();
    let begin = Instant::now();
    let answer = seeing_agents(&policy, "agents:read bad:one");
    assert_eq!(answer, Err(Denied::PolicyFailed));
    let took = begin.elapsed();
    assert!(took >= limits::POLICY_TIME_MAX && took < Duration::from_secs(20), "{took:?}");
    assert_eq!(seeing_agents(&policy, "agents:read"), Ok(()));
}

#[test]
fn what_is_undefined_is_denied() {
    let nothing = policy("allow if input.action == \"nothing\"").unwrap();
    assert_eq!(seeing_agents(&nothing, "agents:read"), Err(Denied::Policy));
}

#[test]
fn a_policy_is_told_who_asks_and_who_acts_for_it() {
    let [asker, actor] = ["a", "b"]
        .map(|last| AgentId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap());
    let itself = ActingAgent { agent_id: asker.clone(), ..agent(&org("1"), "agents:read") };
    let actors = ActorChain::default().joined_by(&actor).unwrap();
    let acted_for = ActingAgent { actors, ..itself.clone() };
    let rule = |decides: &str| {
        let ours = "is_string(input.organization); input.organization == input.agent.organization";
        policy(&format!("allow if {{ {ours}; {decides} }}")).unwrap()
    };
    let sees = |policy: &RegoPolicy, agent: &ActingAgent| {
        policy.permit(agent, Some(ACTIVE), &org("1"), Action::SeeAgents).is_ok()
    };
    for (id, expected) in [(&asker, true), (&actor, false)] {
        let by_id = rule(&format!("input.agent.id == \"{id}\""));
        assert_eq!(sees(&by_id, &itself), expected);
        assert_eq!(sees(&by_id, &acted_for), expected, "whoever acts for it");
    }
    let by_actors = rule(&format!("input.agent.actors == [\"{actor}\"]"));
    assert!(sees(&by_actors, &acted_for) && !sees(&by_actors, &itself));
    let by_nobody = rule("count(input.agent.actors) == 0");
    assert!(sees(&by_nobody, &itself) && !sees(&by_nobody, &acted_for));
}

#[test]
fn where_the_table_denies_too_its_reason_is_told() {
    let nothing = policy("default allow := false").unwrap();
    assert_eq!(seeing_agents(&nothing, ""), Err(Denied::ScopeMissing("agents:read")));
}

#[test]
fn a_policy_decides_inside_an_organization_and_opens_no_wall() {
    let wide = policy(
        "allow if { is_string(input.organization); own_or_system }
        own_or_system if input.organization == input.agent.organization
        own_or_system if input.agent.organization == input.system",
    )
    .unwrap();
    let plain = agent(&org("1"), "");
    let asked = |agent: &ActingAgent, standing, organization: &str, action| {
        wide.permit(agent, standing, &org(organization), action)
    };
    // Inside, it allows what the table does not.
    assert_eq!(asked(&plain, Some(ACTIVE), "1", Action::ChangeAgents), Ok(()));
    assert_eq!(asked(&plain, Some(ACTIVE), "1", Action::ManageOwners), Ok(()));
    // Whoever does not stand may do nothing.
    let gone = Standing { agent_status: AgentStatus::Suspended, ..ACTIVE };
    let revoked = Standing { token_revoked: true, ..ACTIVE };
    for standing in [None, Some(gone), Some(revoked)] {
        assert_eq!(asked(&plain, standing, "1", Action::SeeAgents), Err(Denied::NotActive));
    }
    // Beyond, and of the instance, it says yes in vain to whom the table does not.
    for system in [agent(&OrgId::system(), ""), agent(&OrgId::system(), "agents:read admin:keys")] {
        for action in [Action::SeeOrg, Action::ChangeOrg, Action::SeeAgents] {
            assert_eq!(asked(&system, Some(ACTIVE), "1", action), Err(Denied::Foreign));
        }
        let missing = Err(Denied::ScopeMissing("admin:orgs"));
        assert_eq!(asked(&system, Some(ACTIVE), "1", Action::ManageOrgs), missing);
    }
    let admin = agent(&OrgId::system(), "admin:orgs");
    assert_eq!(asked(&admin, Some(ACTIVE), "1", Action::ChangeOrg), Ok(()));
    assert_eq!(asked(&admin, Some(ACTIVE), "1", Action::SeeAgents), Err(Denied::Foreign));
    assert!(asked(&plain, Some(ACTIVE), "1", Action::ManageKeys).is_err());
    for action in Action::ALL {
        assert!(asked(&plain, Some(ACTIVE), "2", *action).is_err(), "{action:?}");
    }
}

#[test]
fn a_policy_may_narrow_administration_and_what_it_hides_is_not_there() {
    let nobody = policy("default allow := false").unwrap();
    let admin = agent(&OrgId::system(), "admin:orgs admin:keys");
    let asked = |action| nobody.permit(&admin, Some(ACTIVE), &org("1"), action);
    assert_eq!(asked(Action::ChangeOrg), Err(Denied::Foreign));
    assert_eq!(asked(Action::ManageOrgs), Err(Denied::Policy));
    assert_eq!(asked(Action::ManageKeys), Err(Denied::Policy));
}

#[test]
fn the_built_in_policy_denies_where_the_organization_is_missing() {
    let policy = RegoPolicy::built_in().unwrap();
    for own in [org("1"), OrgId::system()] {
        let mighty = agent(&own, "agents:read admin:orgs admin:keys");
        for action in Action::ALL.iter().copied() {
            let asking = Asking::new((&mighty).into(), Some(Role::Owner));
            assert_eq!(
                policy.allows(&Question::new(asking, None, action)),
                Ok(false),
                "{action:?}"
            );
        }
    }
}

#[test]
fn many_threads_ask_one_policy() {
    let policy = RegoPolicy::built_in().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let policy = &policy;
            scope.spawn(move || {
                let (scopes, expected) = match thread % 2 {
                    0 => ("agents:read", Ok(())),
                    _ => ("agents:write", Err(Denied::ScopeMissing("agents:read"))),
                };
                for _ in 0..200 {
                    assert_eq!(seeing_agents(policy, scopes), expected);
                }
            });
        }
    });
}
