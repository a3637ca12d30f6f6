//! Organizations: pages of them, changes to them, their limits, and who may.

use agentidp_core::{
    AgentError, Cursor, Denied, ErrorCode, Idp, NewAgent, NewOrg, OrgChanges, OrgError,
    OrgFootprint, OrgId, PageRequest, PlanTier, Role,
};
use agentidp_testkit::TestIdp;

use super::Engine;
use super::authority::bearer;
use super::faults::{successes_in, sweep};

super::on_every_engine!(
    organizations_are_listed_a_page_at_a_time,
    what_is_named_changes_and_nothing_else,
    limits_follow_the_plan_only_where_that_is_asked_for,
    what_would_change_nothing_leaves_no_trace,
    a_name_enters_the_trail_as_a_commitment,
    wrong_changes_are_refused_whole,
    an_owner_changes_the_name_and_the_instance_the_plan,
    organizations_are_managed_by_the_instance_alone,
    a_lowered_limit_keeps_agents_and_admits_none,
    a_limit_holds_across_processes,
    a_raised_limit_admits_at_once,
    a_footprint_counts_its_own_organization,
    slugs_never_change,
    a_change_is_made_at_the_version_that_it_expects_or_not_at_all,
    updating_an_organization_is_all_or_nothing,
);

fn a_change_is_made_at_the_version_that_it_expects_or_not_at_all(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let renamed = |name: &str, version| {
        org.update(OrgChanges::default().name(name).expected_version(version))
    };
    let version = org.get().unwrap().version();
    let first = renamed("Acme", version).unwrap();
    assert_ne!(first.version(), version);
    let refused = renamed("Other", version).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    let OrgError::VersionConflict { expected, found } = refused else { panic!("{refused}") };
    assert_eq!((expected, found), (version, first.version()));
    assert_eq!(org.get().unwrap(), first);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "org.updated Refused");
    renamed("Other", first.version()).unwrap();
    let other = test.idp.org(&globex.org.id).get().unwrap();
    assert_eq!(other, globex.org, "another organization has versions of its own");
    test.finish();
}

fn slugs(idp: &Idp, limit: usize) -> Vec<String> {
    let mut request = PageRequest::first().limit(limit);
    let mut slugs = Vec::new();
    loop {
        let page = idp.list_orgs(&request).unwrap();
        assert!(page.items.len() <= limit);
        slugs.extend(page.items.into_iter().map(|org| org.slug.to_string()));
        let Some(cursor) = page.next_cursor else { return slugs };
        request = PageRequest::first().limit(limit).after(cursor);
    }
}

fn organizations_are_listed_a_page_at_a_time(engine: Engine) {
    let test = engine.idp();
    let mut expected = vec!["system".to_owned()];
    for n in 0..6 {
        let org = test.idp.create_org(NewOrg::new(format!("org-{n}"))).unwrap();
        test.clock.step(std::time::Duration::from_millis(1));
        expected.push(org.slug.to_string());
        assert_eq!(test.idp.list_orgs(&PageRequest::first()).unwrap().items.last(), Some(&org));
    }
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(slugs(&test.idp, limit), expected, "by {limit}");
    }
    let nowhere = PageRequest::first().after(Cursor::new("' OR ''='"));
    assert_eq!(test.idp.list_orgs(&nowhere).unwrap_err().code(), ErrorCode::InvalidInput);
    test.finish();
}

fn what_is_named_changes_and_nothing_else(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let (before, trail) = (test.idp.org(&globex.org.id).get().unwrap(), test.trail(&globex.org.id));
    test.clock.step(std::time::Duration::from_secs(1));
    let renamed = org.update(OrgChanges::default().name("Acme Ltd")).unwrap();
    assert_eq!(renamed.name, "Acme Ltd");
    assert!(renamed.updated_at > acme.org.updated_at);
    assert_eq!((&renamed.slug, renamed.max_agents), (&acme.org.slug, acme.org.max_agents));
    assert_eq!(org.get().unwrap(), renamed);
    let limited = org.update(OrgChanges::default().token_life_seconds_max(300).max_agents(5));
    let limited = limited.unwrap();
    assert_eq!((limited.token_life_seconds_max, limited.max_agents), (Some(300), 5));
    assert_eq!(limited.name, "Acme Ltd");
    let free = org.update(OrgChanges::default().token_life_seconds_max(None)).unwrap();
    assert_eq!((free.token_life_seconds_max, free.max_agents), (None, 5));
    assert_eq!(test.idp.org(&globex.org.id).get().unwrap(), before);
    assert_eq!(test.trail(&globex.org.id), trail);
    let page = org.audit(&PageRequest::first()).unwrap();
    let told = page.items.iter().rev().nth(1).unwrap();
    assert_eq!(told.event_type, "org.updated");
    assert_eq!(told.data["changed"], serde_json::json!(["maxAgents", "tokenLifeSecondsMax"]));
    assert_eq!(
        (&told.data["maxAgents"], &told.data["tokenLifeSecondsMax"]),
        (&5.into(), &300.into())
    );
    let nobody = test.idp.org(&OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap());
    let changed = nobody.update(OrgChanges::default().name("x"));
    assert!(matches!(changed, Err(OrgError::NotFound)));
    test.finish();
}

fn limits_follow_the_plan_only_where_that_is_asked_for(engine: Engine) {
    let test = engine.idp();
    let org = test.idp.create_org(NewOrg::new("acme").max_agents(7)).unwrap();
    let org = test.idp.org(&org.id);
    let upgraded = org.update(OrgChanges::default().plan(PlanTier::Pro)).unwrap();
    assert_eq!((upgraded.plan_tier, upgraded.max_agents), (PlanTier::Pro, 7));
    assert_eq!((upgraded.max_tokens_per_month, upgraded.rate_limit_per_minute), (10_000, 60));
    let followed = org.update(OrgChanges::default().limits_of_plan().max_agents(8)).unwrap();
    assert_eq!((followed.max_agents, followed.max_tokens_per_month), (8, 1_000_000));
    assert_eq!(org.get().unwrap(), followed);
    test.finish();
}

fn what_would_change_nothing_leaves_no_trace(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let trail = test.trail(&acme.org.id);
    test.clock.step(std::time::Duration::from_secs(1));
    let same = OrgChanges::default().name("acme").plan(PlanTier::Enterprise).limits_of_plan();
    for changes in [OrgChanges::default(), same, OrgChanges::default().token_life_seconds_max(None)]
    {
        assert_eq!(org.update(changes).unwrap(), acme.org);
    }
    assert_eq!(org.activate().unwrap(), acme.org);
    assert_eq!(test.trail(&acme.org.id), trail);
    test.finish();
}

fn a_name_enters_the_trail_as_a_commitment(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.update(OrgChanges::default().name("Ada Lovelace and daughters")).unwrap();
    let page = org.audit(&PageRequest::first()).unwrap();
    let told = page.items.last().unwrap();
    assert_eq!(told.data["changed"], serde_json::json!(["name"]));
    assert!(!serde_json::to_string(&page).unwrap().contains("Lovelace"));
    test.finish();
}

fn wrong_changes_are_refused_whole(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let none = || OrgChanges::default().name("fine");
    for wrong in [
        none().name("a\u{1b}[2J"),
        none().max_agents(-1),
        none().max_tokens_per_month(1 << 53),
        none().rate_limit_per_minute(-5),
        none().token_life_seconds_max(0),
        none().token_life_seconds_max(3601),
    ] {
        assert_eq!(org.update(wrong).unwrap_err().code(), ErrorCode::InvalidInput);
    }
    assert_eq!(org.get().unwrap(), acme.org);
    test.finish();
}

fn an_owner_changes_the_name_and_the_instance_the_plan(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let rename = || OrgChanges::default().name("renamed");
    let upgrade = || OrgChanges::default().name("upgraded").max_agents(9);
    for (role, may) in [
        (Some(Role::Owner), true),
        (Some(Role::Admin), true),
        (Some(Role::Member), false),
        (None, false),
    ] {
        let (agent, idp) = super::members::agent_with(&test, &acme.org.id, &["agents:write"], role);
        let org = idp.org(&acme.org.id);
        let renamed = org.update(rename().token_life_seconds_max(60));
        assert_eq!(renamed.is_ok(), may, "{role:?}");
        if let Err(error) = renamed {
            assert!(matches!(error, OrgError::Denied(Denied::RoleMissing)));
        }
        // Plan and limits are not the organization's to change, nor is a name that comes with them.
        let upgraded = org.update(upgrade()).unwrap_err();
        assert!(matches!(upgraded, OrgError::Denied(Denied::ScopeMissing("admin:orgs"))));
        let foreign = idp.org(&globex.org.id).update(rename());
        assert!(matches!(foreign, Err(OrgError::NotFound)));
        assert!(idp.org(&globex.org.id).update(upgrade()).is_err());
        test.idp.org(&acme.org.id).update(OrgChanges::default().name("acme")).unwrap();
        drop(agent);
    }
    let system = bearer(&test, &OrgId::system(), &["admin:orgs"]);
    let upgraded = system.org(&globex.org.id).update(upgrade()).unwrap();
    assert_eq!((upgraded.name.as_str(), upgraded.max_agents), ("upgraded", 9));
    assert_eq!(test.idp.org(&acme.org.id).get().unwrap().max_agents, acme.org.max_agents);
    test.finish();
}

fn organizations_are_managed_by_the_instance_alone(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (_, owner) =
        super::members::agent_with(&test, &acme.org.id, &["agents:write"], Some(Role::Owner));
    let trails = [test.trail(&globex.org.id), test.trail(&OrgId::system())];
    assert!(matches!(owner.list_orgs(&PageRequest::first()), Err(OrgError::Denied(_))));
    // Nobody learns by it which organizations there are.
    let missing = OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap();
    for id in [&acme.org.id, &globex.org.id, &OrgId::system(), &missing] {
        let org = owner.org(id);
        for answer in [org.suspend(), org.activate(), org.delete()] {
            let denied = answer.unwrap_err();
            assert!(matches!(denied, OrgError::Denied(Denied::ScopeMissing("admin:orgs"))));
            assert_eq!(denied.code(), ErrorCode::InsufficientScope);
        }
    }
    assert_eq!(trails, [test.trail(&globex.org.id), test.trail(&OrgId::system())]);
    let denied = test.trail(&acme.org.id);
    assert_eq!(denied.iter().filter(|entry| *entry == "access.denied Refused").count(), 13);
    let system = bearer(&test, &OrgId::system(), &["admin:orgs"]);
    assert_eq!(slugs(&system, 2), ["system", "acme", "globex"]);
    system.org(&globex.org.id).suspend().unwrap();
    system.org(&globex.org.id).activate().unwrap();
    system.org(&globex.org.id).delete().unwrap();
    let page = test.idp.org(&globex.org.id).audit(&PageRequest::first()).unwrap();
    let by_agent = page.items.iter().filter(|entry| entry.actor.is_some()).count();
    assert_eq!(by_agent, 3, "the trail of the organization tells who did it");
    let made = system.create_org(NewOrg::new("made")).unwrap();
    let first = test.idp.org(&made.id).audit(&PageRequest::first()).unwrap().items.remove(0);
    assert_eq!((first.event_type.as_str(), first.actor.is_some()), ("org.created", true));
    for refused in ["made", "admin"] {
        system.create_org(NewOrg::new(refused)).unwrap_err();
        let page = PageRequest::first().limit(500);
        let last = test.idp.org(&OrgId::system()).audit(&page).unwrap().items.pop().unwrap();
        assert_eq!((last.event_type.as_str(), &last.actor), ("org.created", &first.actor));
    }
    test.finish();
}

fn agents(test: &TestIdp, org: &OrgId, count: usize) -> usize {
    let org = test.idp.org(org);
    (0..count).filter(|n| org.register_agent(NewAgent::new(format!("{n}"))).is_ok()).count()
}

fn a_lowered_limit_keeps_agents_and_admits_none(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    assert_eq!(agents(&test, &acme.org.id, 4), 4);
    let org = test.idp.org(&acme.org.id);
    for limit in [2, 5, 0] {
        assert_eq!(org.update(OrgChanges::default().max_agents(limit)).unwrap().max_agents, limit);
        let refused = org.register_agent(NewAgent::new("one more")).unwrap_err();
        assert!(matches!(refused, AgentError::LimitReached(max) if max == limit));
        assert_eq!(org.footprint().unwrap().agents, 5);
    }
    test.idp.token(&acme.request()).expect("those that are there go on");
    test.finish();
}

fn a_raised_limit_admits_at_once(engine: Engine) {
    let test = engine.idp();
    let org = test.idp.create_org(NewOrg::new("acme").max_agents(1)).unwrap();
    assert_eq!(agents(&test, &org.id, 3), 1);
    test.idp.org(&org.id).update(OrgChanges::default().max_agents(3)).unwrap();
    assert_eq!(agents(&test, &org.id, 5), 2);
    test.finish();
}

fn a_limit_holds_across_processes(engine: Engine) {
    let (test, others) = engine.processes(3);
    let small = test.idp.create_org(NewOrg::new("small").max_agents(7)).unwrap();
    let large = test.idp.create_org(NewOrg::new("large").max_agents(1000)).unwrap();
    let made = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..9)
            .map(|caller| {
                let (idp, small, large) = (&others[caller % others.len()], &small, &large);
                scope.spawn(move || {
                    let register = |org: &OrgId, n| {
                        let agent = NewAgent::new(format!("{caller} {n}"));
                        idp.org(org).register_agent(agent)
                    };
                    let made = (0..3).filter(|n| register(&small.id, *n).is_ok()).count();
                    register(&large.id, 0).unwrap();
                    made
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum::<usize>()
    });
    assert_eq!(made, 7);
    assert_eq!(test.idp.org(&small.id).footprint().unwrap().agents, 7);
    assert_eq!(test.idp.org(&large.id).footprint().unwrap().agents, 9);
    let refused = test.trail(&small.id).iter().filter(|e| *e == "agent.created Refused").count();
    assert_eq!(refused, 20);
    drop(others);
    test.finish();
}

fn a_footprint_counts_its_own_organization(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    assert_eq!(agents(&test, &acme.org.id, 2), 2);
    let footprint = |id: &OrgId| test.idp.org(id).footprint().unwrap();
    for _ in 0..2 {
        test.idp.token(&acme.request()).unwrap();
    }
    // Of what a process has set aside, that alone which it issued.
    let expected = OrgFootprint { agents: 3, credentials: 1, tokens_this_month: 2 };
    assert_eq!(footprint(&acme.org.id), expected);
    assert_eq!(footprint(&globex.org.id).tokens_this_month, 0);
    assert_eq!((footprint(&globex.org.id).agents, footprint(&globex.org.id).credentials), (1, 1));
    let idp = bearer(&test, &acme.org.id, &[]);
    assert_eq!(idp.org(&acme.org.id).footprint().unwrap().agents, 4);
    assert!(matches!(idp.org(&globex.org.id).footprint(), Err(OrgError::NotFound)));
    let nobody = test.idp.org(&OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap());
    assert!(matches!(nobody.footprint(), Err(OrgError::NotFound)));
    test.finish();
}

fn slugs_never_change(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.update(OrgChanges::default().name("globex").plan(PlanTier::Free)).unwrap();
    org.suspend().unwrap();
    org.delete().unwrap();
    let found = test.idp.find_org("acme").unwrap();
    assert_eq!((&found.id, found.slug.as_str()), (&acme.org.id, "acme"));
    assert!(test.idp.find_org("globex").is_err(), "a name for people is no way in");
    test.finish();
}

fn updating_an_organization_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    super::outbox::subscribe(&test, &acme.org.id, "org.updated");
    let org = test.idp.org(&acme.org.id);
    let mut round = 0;
    let verb = |_| {
        round += 1;
        let seen = || test.store.aside(|| org.get().unwrap());
        let before = seen();
        let changed = org.update(OrgChanges::default().name(format!("{round}")).max_agents(round));
        assert_eq!(changed.as_ref().unwrap_or(&before), &seen());
        changed.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "org.updated"), successes);
        assert_eq!(super::outbox::deliveries(test, &acme.org.id), successes as i64);
    });
    test.finish();
}
