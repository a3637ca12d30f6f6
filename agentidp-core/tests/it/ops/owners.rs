//! An organization keeps its last owner, whatever many do at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use agentidp_core::{
    AgentId, Denied, ErrorCode, Idp, MemberStays, OrgError, OrgHandle, PageRequest, Role,
};
use agentidp_testkit::TestRng;

use super::Engine;
use super::members::{agent_with, new_agents, owners, roles};

super::on_every_engine!(
    the_last_owner_stays,
    two_owners_who_remove_each_other_leave_one,
    an_owner_who_lost_its_role_while_it_waited_is_refused,
    whatever_many_do_at_once_an_owner_is_left,
);

fn the_last_owner_stays(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    // Owners elsewhere do not count.
    test.idp.org(&globex.org.id).add_member(&globex.agent.id, Role::Owner).unwrap();
    let org = test.idp.org(&acme.org.id);
    let (owner, idp) = agent_with(&test, &acme.org.id, &["agents:read"], Some(Role::Owner));
    let theirs = idp.org(&acme.org.id);
    for org in [&org, &theirs] {
        for refused in [
            org.remove_member(&owner).unwrap_err(),
            org.set_member_role(&owner, Role::Admin).unwrap_err(),
            org.set_member_role(&owner, Role::Member).unwrap_err(),
        ] {
            assert!(matches!(refused, OrgError::Member(MemberStays::LastOwner)));
            assert_eq!(refused.code(), ErrorCode::LastOwner);
        }
    }
    let refused = test.trail(&acme.org.id);
    assert_eq!(refused.iter().filter(|e| *e == "org.member.removed Refused").count(), 2);
    assert_eq!(refused.iter().filter(|e| *e == "org.member.changed Refused").count(), 4);
    // With another one it may step down, and then it is no owner any more.
    theirs.add_member(&acme.agent.id, Role::Owner).unwrap();
    theirs.set_member_role(&owner, Role::Admin).unwrap();
    let again = theirs.set_member_role(&owner, Role::Owner).unwrap_err();
    assert!(matches!(again, OrgError::Denied(Denied::RoleMissing)));
    assert_eq!(owners(&org), 1);
    test.finish();
}

fn two_owners_who_remove_each_other_leave_one(engine: Engine) {
    let (test, others) = engine.processes(2);
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    for round in 0..12 {
        let agents = new_agents(&org, 2);
        for agent in &agents {
            org.add_member(agent, Role::Owner).unwrap();
        }
        for agent in roles(&org).into_keys().filter(|agent| !agents.contains(agent)) {
            org.remove_member(&agent).unwrap();
        }
        let removed = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..2)
                .map(|caller| {
                    let (org, agent) = (others[caller].org(&acme.org.id), &agents[caller]);
                    scope.spawn(move || match round % 2 {
                        0 => org.remove_member(agent),
                        _ => org.set_member_role(agent, Role::Member).map(|_| ()),
                    })
                })
                .collect();
            let answers = callers.into_iter().map(|caller| caller.join().unwrap());
            answers.filter(|answer| answer.is_ok()).count()
        });
        assert_eq!((removed, owners(&org)), (1, 1), "round {round}");
    }
    drop(others);
    test.finish();
}

fn an_owner_who_lost_its_role_while_it_waited_is_refused(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    for round in 0..8 {
        let one = agent_with(&test, &acme.org.id, &["agents:read"], Some(Role::Owner));
        let two = agent_with(&test, &acme.org.id, &["agents:read"], Some(Role::Owner));
        let answers = std::thread::scope(|scope| {
            let remove = |by: &Idp, agent: &AgentId| {
                let (org, agent) = (by.org(&acme.org.id), agent.clone());
                scope.spawn(move || org.remove_member(&agent))
            };
            let callers = [remove(&one.1, &two.0), remove(&two.1, &one.0)];
            callers.map(|caller| caller.join().unwrap())
        });
        // A third owner is left, so the rule of the last one allows both; the loser's leave does not.
        let removed = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!((removed, owners(&org)), (1, 2), "round {round}: {answers:?}");
        for agent in [&one.0, &two.0] {
            let _ = org.remove_member(agent);
        }
    }
    test.finish();
}

/// Many callers do what they like at once. Whatever the order, the trail tells of no moment without an
/// owner, and what it tells adds up to what is there.
fn whatever_many_do_at_once_an_owner_is_left(engine: Engine) {
    let seed = std::env::var("AGENTIDP_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let (test, others) = engine.processes(2);
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let agents = new_agents(&org, 4);
    org.add_member(&agents[0], Role::Owner).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4_u64)
            .map(|caller| {
                let org = others[caller as usize % others.len()].org(&acme.org.id);
                let (agents, random) = (&agents, TestRng::seeded(seed.wrapping_add(caller)));
                scope.spawn(move || {
                    for _ in 0..40 {
                        let agent = &agents[random.next_u64() as usize % agents.len()];
                        let role = Role::ALL[random.next_u64() as usize % 3];
                        let answer = match random.next_u64() % 4 {
                            0 => org.add_member(agent, role).map(|_| ()),
                            1 | 2 => org.set_member_role(agent, role).map(|_| ()),
                            _ => org.remove_member(agent),
                        };
                        assert!(
                            matches!(
                                answer,
                                Ok(()) | Err(OrgError::Member(_) | OrgError::MemberNotFound)
                            ),
                            "{answer:?}"
                        );
                    }
                })
            })
            .collect();
        let (org, done) = (&org, &done);
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                assert!(owners(org) >= 1, "a moment without an owner");
            }
        });
        for caller in callers {
            caller.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(replayed(&org), roles(&org));
    drop(others);
    test.finish();
}

/// The members that the trail tells of, after each of whose entries there must be an owner.
fn replayed(org: &OrgHandle) -> BTreeMap<AgentId, Role> {
    let mut members = BTreeMap::new();
    let page = org.audit(&PageRequest::first().limit(500)).unwrap();
    for entry in page.items.iter().filter(|entry| entry.event_type.starts_with("org.member.")) {
        if entry.outcome != agentidp_core::audit::Outcome::Success {
            continue;
        }
        let agent = AgentId::parse(entry.target.as_deref().unwrap()).unwrap();
        let role = Role::parse(entry.data["role"].as_str().unwrap()).unwrap();
        match entry.event_type.as_str() {
            "org.member.added" => assert_eq!(members.insert(agent, role), None),
            "org.member.changed" => assert!(members.insert(agent, role).is_some()),
            _ => assert_eq!(members.remove(&agent), Some(role)),
        }
        assert!(members.values().any(|role| *role == Role::Owner), "{entry:?}");
    }
    members
}
