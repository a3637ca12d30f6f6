//! Members: who may make them, and what they may.

use std::collections::BTreeMap;

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{
    AgentError, AgentId, AgentStatus, CredentialError, Cursor, Denied, ErrorCode, Idp, Member,
    MemberStays, NewAgent, NewCredential, OrgError, OrgHandle, OrgId, PageRequest, Role,
    TokenRequest,
};
use agentidp_testkit::TestIdp;

use super::Engine;
use super::faults::{successes_in, sweep};

super::on_every_engine!(
    members_come_change_and_go,
    members_are_listed_a_page_at_a_time,
    roles_may_what_the_table_says,
    the_instance_manages_members_too,
    members_are_agents_of_the_organization,
    only_active_agents_become_members,
    a_suspended_member_keeps_its_role_and_cannot_use_it,
    who_is_decommissioned_is_no_member_any_more,
    nobody_raises_its_own_role,
    nobody_gets_the_secret_of_a_mightier_member,
    a_decommissioned_agent_is_no_member_any_more,
    adding_a_member_is_all_or_nothing,
    changing_a_role_is_all_or_nothing,
    removing_a_member_is_all_or_nothing,
);

/// A new agent of the organization with these scopes and this role, and the instance as it may use it.
pub(super) fn agent_with(
    test: &TestIdp,
    organization: &OrgId,
    scopes: &[&str],
    role: Option<Role>,
) -> (AgentId, Idp) {
    let org = test.idp.org(organization);
    let agent = scopes.iter().fold(NewAgent::new("agent"), |agent, scope| agent.scope(*scope));
    let agent = org.register_agent(agent).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    if let Some(role) = role {
        org.add_member(&agent.id, role).unwrap();
    }
    let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    let token = test.idp.token(&request).unwrap();
    (agent.id, test.idp.on_behalf_of(&token.access_token).unwrap())
}

pub(super) fn new_agents(org: &OrgHandle, count: usize) -> Vec<AgentId> {
    let new = |n| org.register_agent(NewAgent::new(format!("{n}"))).unwrap().id;
    (0..count).map(new).collect()
}

pub(super) fn roles(org: &OrgHandle) -> BTreeMap<AgentId, Role> {
    let page = org.members(&PageRequest::first().limit(500)).unwrap();
    assert_eq!(page.next_cursor, None);
    page.items.into_iter().map(|member| (member.agent_id, member.role)).collect()
}

pub(super) fn owners(org: &OrgHandle) -> usize {
    roles(org).values().filter(|role| **role == Role::Owner).count()
}

fn members_come_change_and_go(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let agents = new_agents(&org, 2);
    let trail = test.trail(&globex.org.id);
    let added = org.add_member(&agents[0], Role::Member).unwrap();
    assert_eq!((&added.agent_id, added.role), (&agents[0], Role::Member));
    assert_eq!(org.add_member(&agents[0], Role::Member).unwrap(), added, "twice is once");
    let other = org.add_member(&agents[0], Role::Owner).unwrap_err();
    assert!(matches!(other, OrgError::Member(MemberStays::AlreadyMember(Role::Member))));
    assert_eq!(other.code(), ErrorCode::AlreadyMember);
    test.clock.step(std::time::Duration::from_secs(1));
    let changed = org.set_member_role(&agents[0], Role::Admin).unwrap();
    assert_eq!((changed.role, changed.created_at), (Role::Admin, added.created_at));
    assert!(changed.updated_at > added.updated_at);
    assert_eq!(org.set_member_role(&agents[0], Role::Admin).unwrap(), changed, "twice is once");
    assert_eq!(org.members(&PageRequest::first()).unwrap().items, [changed]);
    org.remove_member(&agents[0]).unwrap();
    for stranger in &agents {
        assert!(matches!(org.remove_member(stranger), Err(OrgError::MemberNotFound)));
        let changed = org.set_member_role(stranger, Role::Admin);
        assert!(matches!(changed, Err(OrgError::MemberNotFound)));
    }
    assert!(roles(&org).is_empty());
    let told = test.trail(&acme.org.id);
    let expected = [
        "org.member.added Success",
        "org.member.added Refused",
        "org.member.changed Success",
        "org.member.removed Success",
    ];
    assert_eq!(told[told.len() - 4..], expected);
    let page = org.audit(&PageRequest::first()).unwrap();
    let changed = &page.items[page.items.len() - 2];
    assert_eq!(changed.target.as_deref(), Some(agents[0].as_str()));
    assert_eq!(
        (&changed.data["role"], &changed.data["previousRole"]),
        (&"admin".into(), &"member".into())
    );
    assert_eq!(test.trail(&globex.org.id), trail);
    test.finish();
}

fn members_are_listed_a_page_at_a_time(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let mut agents = new_agents(&org, 5);
    agents.sort();
    for agent in agents.iter().rev() {
        org.add_member(agent, Role::Member).unwrap();
    }
    for limit in 1..7 {
        let mut request = PageRequest::first().limit(limit);
        let mut found = Vec::new();
        loop {
            let page = org.members(&request).unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items.into_iter().map(|member: Member| member.agent_id));
            let Some(cursor) = page.next_cursor else { break };
            request = PageRequest::first().limit(limit).after(cursor);
        }
        assert_eq!(found, agents);
    }
    let nonsense = PageRequest::first().after(Cursor::new("x"));
    assert_eq!(org.members(&nonsense).unwrap_err().code(), ErrorCode::InvalidInput);
    assert!(test.idp.org(&globex.org.id).members(&PageRequest::first()).unwrap().items.is_empty());
    let nobody = test.idp.org(&OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap());
    assert!(matches!(nobody.members(&PageRequest::first()), Err(OrgError::NotFound)));
    test.finish();
}

fn roles_may_what_the_table_says(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    let callers = [Some(Role::Owner), Some(Role::Admin), Some(Role::Member), None];
    for caller in callers {
        let (_, idp) = agent_with(&test, &acme.org.id, &["agents:write", "tools:x"], caller);
        let theirs = idp.org(&acme.org.id);
        let may = |plain: bool| match caller {
            Some(Role::Owner) => true,
            Some(Role::Admin) => plain,
            _ => false,
        };
        for role in Role::ALL {
            let plain = role == Role::Member;
            let agent = &new_agents(&org, 1)[0];
            check(theirs.add_member(agent, role).map(|_| ()), may(plain), caller, "add");
            let _ = org.add_member(agent, role);
            for to in Role::ALL.into_iter().filter(|to| *to != role) {
                let set = theirs.set_member_role(agent, to).map(|_| ());
                check(set, may(false), caller, "set");
                org.set_member_role(agent, role).unwrap();
            }
            check(theirs.remove_member(agent), may(plain), caller, "remove");
            let _ = org.remove_member(agent);
        }
        // Everybody in it sees its members; in another organization nobody sees or does anything.
        assert!(!roles(&theirs).is_empty());
        let foreign = idp.org(&globex.org.id);
        assert!(matches!(foreign.members(&PageRequest::first()), Err(OrgError::NotFound)));
        let added = foreign.add_member(&globex.agent.id, Role::Member);
        assert!(matches!(added, Err(OrgError::NotFound)));
        let set = foreign.set_member_role(&globex.agent.id, Role::Member);
        assert!(matches!(set, Err(OrgError::NotFound)));
        assert!(matches!(foreign.remove_member(&globex.agent.id), Err(OrgError::NotFound)));
    }
    assert!(roles(&test.idp.org(&globex.org.id)).is_empty());
    test.finish();
}

fn check(answer: Result<(), OrgError>, may: bool, caller: Option<Role>, verb: &str) {
    match answer {
        Ok(()) => assert!(may, "{caller:?} may not {verb}"),
        Err(OrgError::Denied(Denied::RoleMissing)) => assert!(!may, "{caller:?} may {verb}"),
        Err(error) => panic!("{caller:?} {verb}: {error:?}"),
    }
}

fn the_instance_manages_members_too(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (_, admin) = agent_with(&test, &OrgId::system(), &["admin:orgs"], None);
    let org = admin.org(&acme.org.id);
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    let other = &new_agents(&test.idp.org(&acme.org.id), 1)[0];
    org.add_member(other, Role::Member).unwrap();
    org.set_member_role(other, Role::Owner).unwrap();
    org.remove_member(&acme.agent.id).unwrap();
    assert!(matches!(org.remove_member(other), Err(OrgError::Member(MemberStays::LastOwner))));
    assert_eq!(roles(&org).len(), 1);
    test.finish();
}

fn members_are_agents_of_the_organization(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let missing = AgentId::parse("01900000-0000-7000-8000-000000000001").unwrap();
    let trail = test.trail(&acme.org.id);
    let told = |id: &AgentId| {
        let answers = [
            org.add_member(id, Role::Owner).unwrap_err(),
            org.set_member_role(id, Role::Owner).unwrap_err(),
            org.remove_member(id).unwrap_err(),
        ];
        assert!(answers.iter().all(|error| error.code() == ErrorCode::NotFound));
        answers.map(|error| error.to_string())
    };
    assert_eq!(told(&globex.agent.id), told(&missing));
    assert_eq!(test.trail(&acme.org.id), trail);
    // The schema alone would not have it either.
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(acme.org.id.clone());
    let forged = store.write::<_, StoreError>("forge", &scope, |tx| {
        tx.execute(FORGE, &[Value::Text(globex.agent.id.as_str())])
    });
    assert!(matches!(forged, Err(StoreError::Constraint(_))), "{forged:?}");
    test.finish();
}

const FORGE: &str = "INSERT INTO members (organization_id, agent_id, role, created_at, updated_at)
    VALUES (?1, ?2, 'owner', 0, 0)";

const SET_STATUS: &str = "UPDATE agents SET status = ?3, version = version + 1 WHERE organization_id = ?1 AND agent_id = ?2";

fn set_status(test: &TestIdp, organization: &OrgId, agent: &AgentId, status: &str) {
    let store: &dyn Store = &*test.store;
    let write = store.write::<_, StoreError>("set", &Scope::Org(organization.clone()), |tx| {
        tx.execute(SET_STATUS, &[Value::Text(agent.as_str()), Value::Text(status)])
    });
    assert_eq!(write.unwrap(), 1);
}

fn only_active_agents_become_members(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    for status in ["suspended", "decommissioned"] {
        set_status(&test, &acme.org.id, &acme.agent.id, status);
        let refused = org.add_member(&acme.agent.id, Role::Owner).unwrap_err();
        assert!(matches!(refused, OrgError::AgentNotActive));
        assert_eq!(test.trail(&acme.org.id).last().unwrap(), "org.member.added Refused");
    }
    set_status(&test, &acme.org.id, &acme.agent.id, "active");
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    test.finish();
}

fn a_suspended_member_keeps_its_role_and_cannot_use_it(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let (owner, idp) = agent_with(&test, &acme.org.id, &["agents:read"], Some(Role::Owner));
    set_status(&test, &acme.org.id, &owner, "suspended");
    let theirs = idp.org(&acme.org.id);
    let added = theirs.add_member(&acme.agent.id, Role::Member).unwrap_err();
    assert!(matches!(added, OrgError::Denied(Denied::NotActive)));
    assert_eq!(roles(&org)[&owner], Role::Owner);
    // It still is the last one: suspending it must not be a way around.
    assert!(matches!(org.remove_member(&owner), Err(OrgError::Member(MemberStays::LastOwner))));
    test.finish();
}

fn who_is_decommissioned_is_no_member_any_more(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let other = org.register_agent(NewAgent::new("other")).unwrap();
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    test.idp.org(&globex.org.id).add_member(&globex.agent.id, Role::Owner).unwrap();
    // An owner of another organization does not count.
    let refused = org.decommission_agent(&acme.agent.id).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::LastOwner);
    assert_eq!(org.agent(&acme.agent.id).unwrap().status, agentidp_core::AgentStatus::Active);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.decommissioned Refused");
    org.add_member(&other.id, Role::Owner).unwrap();
    org.decommission_agent(&acme.agent.id).unwrap();
    let left = org.members(&PageRequest::first()).unwrap().items;
    assert_eq!(left.iter().map(|member| &member.agent_id).collect::<Vec<_>>(), [&other.id]);
    assert_eq!(successes_in(&test.trail(&acme.org.id), "org.member.removed"), 1);
    test.finish();
}

fn nobody_raises_its_own_role(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    // Not even an agent that may do all else, in the organization where it is at home.
    let system = OrgId::system();
    let (agent, idp) = agent_with(&test, &system, &["admin:orgs"], None);
    let org = idp.org(&system);
    for role in Role::ALL {
        let refused = org.add_member(&agent, role).unwrap_err();
        assert!(matches!(refused, OrgError::Member(MemberStays::OwnRole)));
        assert_eq!(refused.code(), ErrorCode::Forbidden);
    }
    let operator = test.idp.org(&system);
    operator.add_member(&agent, Role::Member).unwrap();
    for role in [Role::Admin, Role::Owner] {
        let refused = org.set_member_role(&agent, role).unwrap_err();
        assert!(matches!(refused, OrgError::Member(MemberStays::OwnRole)));
    }
    org.remove_member(&agent).unwrap();
    for role in [Some(Role::Admin), Some(Role::Member), None] {
        let (agent, idp) = agent_with(&test, &acme.org.id, &["agents:write"], role);
        let org = idp.org(&acme.org.id);
        assert!(org.add_member(&agent, Role::Owner).is_err());
        assert!(org.set_member_role(&agent, Role::Owner).is_err());
        let now = roles(&test.idp.org(&acme.org.id)).get(&agent).copied();
        assert_eq!(now, role);
    }
    test.finish();
}

fn nobody_gets_the_secret_of_a_mightier_member(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    // None of them has any scope: the role alone is what their secrets are worth.
    let targets = new_agents(&org, 4);
    let of_role = [None, Some(Role::Member), Some(Role::Admin), Some(Role::Owner)];
    for (agent, role) in targets.iter().zip(of_role) {
        if let Some(role) = role {
            org.add_member(agent, role).unwrap();
        }
    }
    for (rank, role) in of_role.into_iter().enumerate() {
        let (_, idp) =
            agent_with(&test, &acme.org.id, &["credentials:write", "agents:write"], role);
        for (at, agent) in targets.iter().enumerate() {
            let theirs = idp.org(&acme.org.id);
            // A key that the agent is said to hold is as good as a secret of it.
            let key = theirs.add_agent_key(agent, &super::public_keys::jwk().to_string());
            // A plain member may do no more than who is none.
            let mightier = at > rank.max(1);
            assert_eq!(mightier, matches!(key, Err(AgentError::Denied(Denied::RoleMissing))));
            match theirs.issue_credential(agent, NewCredential::default()) {
                Ok(_) => assert!(!mightier, "{role:?} got a secret of {:?}", of_role[at]),
                Err(CredentialError::Denied(Denied::RoleMissing)) => assert!(mightier),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    let told = test.trail(&acme.org.id);
    for event in ["credential.generated Refused", "agent.key_added Refused"] {
        assert_eq!(told.iter().filter(|entry| *entry == event).count(), 5, "{event}: {told:?}");
    }
    test.finish();
}

fn a_decommissioned_agent_is_no_member_any_more(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let agents = new_agents(&org, 2);
    org.add_member(&agents[0], Role::Owner).unwrap();
    // Whoever may end agents must not end an owner with one, and nor may the operator the last.
    let (_, idp) = agent_with(&test, &acme.org.id, &["agents:write"], None);
    let refused = idp.org(&acme.org.id).decommission_agent(&agents[0]).unwrap_err();
    assert!(matches!(refused, AgentError::Denied(Denied::RoleMissing)));
    let refused = org.decommission_agent(&agents[0]).unwrap_err();
    assert!(matches!(refused, AgentError::Member(MemberStays::LastOwner)));
    assert_eq!(refused.code(), ErrorCode::LastOwner);
    let told = test.trail(&acme.org.id);
    assert_eq!(told.iter().filter(|e| *e == "agent.decommissioned Refused").count(), 2);
    assert_eq!(org.agent(&agents[0]).unwrap().status, AgentStatus::Active);
    org.suspend_agent(&agents[0]).expect("it can be stopped at once");
    org.add_member(&agents[1], Role::Owner).unwrap();
    org.decommission_agent(&agents[0]).unwrap();
    assert_eq!(roles(&org), BTreeMap::from([(agents[1].clone(), Role::Owner)]));
    let told = test.trail(&acme.org.id);
    let expected = ["org.member.removed Success", "agent.decommissioned Success"];
    assert_eq!(told[told.len() - 2..], expected);
    test.finish();
}

fn adding_a_member_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let agents = new_agents(&org, 40);
    let mut next = 0;
    let verb = |_| {
        let agent = &agents[next];
        let added = org.add_member(agent, Role::Owner);
        let roles = test.store.aside(|| roles(&org));
        assert_eq!(roles.contains_key(agent), added.is_ok());
        next += usize::from(added.is_ok());
        added.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "org.member.added"), successes);
    });
    test.finish();
}

fn changing_a_role_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let agents = new_agents(&org, 2);
    org.add_member(&agents[0], Role::Owner).unwrap();
    org.add_member(&agents[1], Role::Owner).unwrap();
    let verb = |_| {
        let role = || test.store.aside(|| roles(&org)[&agents[1]]);
        let before = role();
        let to = if before == Role::Owner { Role::Admin } else { Role::Owner };
        let changed = org.set_member_role(&agents[1], to);
        assert_eq!(role(), if changed.is_ok() { to } else { before });
        changed.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "org.member.changed"), successes);
    });
    test.finish();
}

fn removing_a_member_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let agents = new_agents(&org, 40);
    for agent in &agents {
        org.add_member(agent, Role::Owner).unwrap();
    }
    let mut next = 1;
    let verb = |_| {
        let agent = &agents[next];
        let removed = org.remove_member(agent);
        let roles = test.store.aside(|| roles(&org));
        assert_eq!(roles.contains_key(agent), removed.is_err());
        next += usize::from(removed.is_ok());
        removed.map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "org.member.removed"), successes);
    });
    test.finish();
}
