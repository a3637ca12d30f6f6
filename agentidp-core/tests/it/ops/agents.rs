//! Listing and changing agents: what is found, what is kept, and what is refused.

use agentidp_core::{
    Agent, AgentChanges, AgentError, AgentFilter, AgentId, AgentStatus, Alg, Cursor, Denied,
    ErrorCode, NewAgent, NewCredential, NewOrg, OrgHandle, OrgId, PageRequest, PlanTier,
    TokenRequest,
};
use agentidp_testkit::ISSUER;
use serde_json::json;

use super::authority::bearer;
use super::faults::{successes_in, sweep};
use super::{Engine, public_keys as keys};

super::on_every_engine!(
    what_an_agent_is_registered_with_is_kept,
    a_list_is_read_in_pages_and_by_status_or_owner,
    pages_of_few_among_many_are_full_and_leave_none_out,
    a_list_is_that_of_one_organization,
    a_cursor_that_no_page_ended_with_is_refused,
    a_change_keeps_what_it_does_not_name_and_is_told,
    the_log_names_each_thing_that_changed,
    a_change_that_changes_nothing_writes_nothing,
    a_change_by_somebody_who_read_an_older_version_is_refused,
    a_change_is_for_those_who_may_and_only_by_what_they_hold,
    an_agent_does_not_widen_its_own_scopes,
    a_decision_made_before_a_change_does_not_stand,
    keys_that_agents_hold_come_with_the_registration_or_not_at_all,
    an_agent_is_registered_with_nine_keys_of_its_own_at_most,
    updating_is_all_or_nothing,
);

fn ids(agents: &[Agent]) -> Vec<AgentId> {
    agents.iter().map(|agent| agent.id.clone()).collect()
}

/// All pages of a list, each of two items.
fn all(org: &OrgHandle, filter: &AgentFilter) -> Vec<AgentId> {
    let (mut found, mut request) = (Vec::new(), PageRequest::first().limit(2));
    loop {
        let page = org.list_agents(filter, &request).unwrap();
        assert!(page.items.len() <= 2);
        found.extend(ids(&page.items));
        match page.next_cursor {
            Some(cursor) => request = PageRequest::first().limit(2).after(cursor),
            None => return found,
        }
    }
}

fn what_an_agent_is_registered_with_is_kept(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let new = NewAgent::new("bot")
        .capability("nlp/text_completion")
        .capability("data/extraction")
        .url("https://bot.example.com/a2a")
        .token_life_seconds_max(300);
    let agent = org.register_agent(new).unwrap();
    assert_eq!(org.agent(&agent.id).unwrap(), agent);
    assert_eq!(agent.capabilities, ["nlp/text_completion", "data/extraction"]);
    let told = serde_json::to_value(&agent).unwrap();
    assert_eq!(told["url"], "https://bot.example.com/a2a");
    assert_eq!(told["tokenLifeSecondsMax"], 300);
    assert!(told.get("importedAt").is_none());
    for bad in [
        NewAgent::new("bot").capability("two words"),
        NewAgent::new("bot").url("http://bot.example.com"),
        NewAgent::new("bot").token_life_seconds_max(1),
    ] {
        assert_eq!(org.register_agent(bad).unwrap_err().code(), ErrorCode::InvalidInput);
    }
    test.finish();
}

fn a_list_is_read_in_pages_and_by_status_or_owner(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let mut made = vec![acme.agent.id.clone()];
    for n in 0..6 {
        let owner = if n % 2 == 0 { "Ada" } else { "Grace" };
        made.push(org.register_agent(NewAgent::new(format!("{n}")).owner(owner)).unwrap().id);
    }
    org.suspend_agent(&made[1]).unwrap();
    org.suspend_agent(&made[4]).unwrap();
    org.decommission_agent(&made[6]).unwrap();
    assert_eq!(all(&org, &AgentFilter::All), made, "in the order of registration");
    let pick = |places: &[usize]| places.iter().map(|at| made[*at].clone()).collect::<Vec<_>>();
    let by_status = |status| all(&org, &AgentFilter::Status(status));
    assert_eq!(by_status(AgentStatus::Active), pick(&[0, 2, 3, 5]));
    assert_eq!(by_status(AgentStatus::Suspended), pick(&[1, 4]));
    assert_eq!(by_status(AgentStatus::Decommissioned), pick(&[6]));
    let by_owner = |owner: &str| all(&org, &AgentFilter::Owner(owner.to_owned()));
    assert_eq!(by_owner("Ada"), pick(&[1, 3, 5]));
    assert_eq!(by_owner("Grace"), pick(&[2, 4, 6]));
    assert_eq!(by_owner("ada"), [], "it is the whole name, as it was written");
    let both = |owner: &str, status| AgentFilter::OwnerAndStatus(owner.to_owned(), status);
    assert_eq!(all(&org, &both("Ada", AgentStatus::Suspended)), pick(&[1]));
    assert_eq!(all(&org, &both("Grace", AgentStatus::Active)), pick(&[2]));
    assert_eq!(all(&org, &both("Ada", AgentStatus::Decommissioned)), []);
    let page = PageRequest::first().limit(2);
    let page = org.list_agents(&both("Ada", AgentStatus::Active), &page).unwrap();
    assert_eq!((ids(&page.items), page.next_cursor), (pick(&[3, 5]), None), "a full page");
    let usual = org.list_agents(&AgentFilter::All, &PageRequest::first()).unwrap();
    assert!(usual.items.len() == 7 && usual.next_cursor.is_none());
    test.finish();
}

fn pages_of_few_among_many_are_full_and_leave_none_out(engine: Engine) {
    let test = engine.idp();
    let [acme, globex] = ["acme", "globex"].map(|slug| {
        let new = NewOrg::new(slug).plan(PlanTier::Enterprise);
        test.idp.org(&test.idp.create_org(new).unwrap().id)
    });
    let mut suspended = Vec::new();
    for n in 0..100 {
        let owner = if n % 2 == 0 { "Ada" } else { "Grace" };
        let agent = acme.register_agent(NewAgent::new(format!("{n}")).owner(owner)).unwrap();
        if n % 4 == 0 {
            acme.suspend_agent(&agent.id).unwrap();
            suspended.push(agent.id);
        }
        if n < 5 {
            let theirs = globex.register_agent(NewAgent::new("same").owner("Ada")).unwrap();
            globex.suspend_agent(&theirs.id).unwrap();
        }
    }
    for filter in [
        AgentFilter::Status(AgentStatus::Suspended),
        AgentFilter::OwnerAndStatus("Ada".to_owned(), AgentStatus::Suspended),
    ] {
        let (mut found, mut sizes) = (Vec::new(), Vec::new());
        let mut request = PageRequest::first().limit(10);
        loop {
            let page = acme.list_agents(&filter, &request).unwrap();
            sizes.push(page.items.len());
            found.extend(ids(&page.items));
            let Some(cursor) = page.next_cursor else { break };
            request = PageRequest::first().limit(10).after(cursor);
        }
        assert_eq!((sizes, &found), (vec![10, 10, 5], &suspended), "{filter:?}");
    }
    test.finish();
}

fn a_list_is_that_of_one_organization(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    for tenant in [&acme, &globex] {
        let org = test.idp.org(&tenant.org.id);
        let own = [tenant.agent.id.clone()];
        assert_eq!(all(&org, &AgentFilter::All), own);
        assert_eq!(all(&org, &AgentFilter::Status(AgentStatus::Active)), own);
    }
    // A cursor of one organization is a place in the order of ids and shows nothing of it to another.
    let after = PageRequest::first().after(Cursor::new(acme.agent.id.as_str()));
    let page = test.idp.org(&globex.org.id).list_agents(&AgentFilter::All, &after).unwrap();
    assert_eq!(ids(&page.items), std::slice::from_ref(&globex.agent.id));
    let nowhere = OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap();
    let listed = test.idp.org(&nowhere).list_agents(&AgentFilter::All, &PageRequest::first());
    assert!(matches!(listed, Err(AgentError::NotFound)));
    let idp = bearer(&test, &acme.org.id, &["agents:read"]);
    let foreign = idp.org(&globex.org.id).list_agents(&AgentFilter::All, &PageRequest::first());
    assert!(matches!(foreign, Err(AgentError::NotFound)));
    let own = idp.org(&acme.org.id).list_agents(&AgentFilter::All, &PageRequest::first());
    assert_eq!(own.unwrap().items.len(), 2);
    let without = bearer(&test, &acme.org.id, &["agents:write"]);
    let denied = without.org(&acme.org.id).list_agents(&AgentFilter::All, &PageRequest::first());
    assert!(matches!(denied, Err(AgentError::Denied(Denied::ScopeMissing("agents:read")))));
    test.finish();
}

fn a_cursor_that_no_page_ended_with_is_refused(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    for text in ["", "1", "'; DROP TABLE agents; --", &"x".repeat(1 << 16)] {
        let page = PageRequest::first().after(Cursor::new(text));
        let refused = test.idp.org(&acme.org.id).list_agents(&AgentFilter::All, &page);
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidInput);
    }
    test.finish();
}

fn a_change_keeps_what_it_does_not_name_and_is_told(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let changes = AgentChanges::new()
        .name("a personal name")
        .scopes(["tools:read", "tools:write"])
        .capabilities(["nlp/text_completion"])
        .url("http://localhost:8080/");
    let changed = org.update_agent(&acme.agent.id, &changes).unwrap();
    assert_eq!(org.agent(&acme.agent.id).unwrap(), changed);
    assert_eq!(changed.scopes.to_string(), "tools:read tools:write");
    assert_eq!((&changed.audiences, &changed.did), (&acme.agent.audiences, &acme.agent.did));
    assert!(changed.version() > acme.agent.version() && changed.updated_at > acme.agent.updated_at);
    let without = org.update_agent(&acme.agent.id, &AgentChanges::new().without_url()).unwrap();
    assert_eq!((without.url, without.name), (None, changed.name));
    let page = org.audit(&PageRequest::first()).unwrap();
    let told: Vec<_> =
        page.items.iter().filter(|entry| entry.event_type == "agent.updated").collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].data["changed"], json!(["name", "scopes", "capabilities", "url"]));
    assert_eq!(told[0].data["scope"], "tools:read tools:write");
    assert!(!serde_json::to_string(&page).unwrap().contains("personal name"));
    // Nobody else's agent is changed, under whatever id.
    let foreign = test.idp.org(&globex.org.id);
    let refused = foreign.update_agent(&acme.agent.id, &AgentChanges::new().name("x"));
    assert!(matches!(refused, Err(AgentError::NotFound)));
    assert_eq!(foreign.agent(&globex.agent.id).unwrap().name, "bot");
    assert_eq!(org.agent(&acme.agent.id).unwrap().name, "a personal name");
    test.finish();
}

fn the_log_names_each_thing_that_changed(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let new = AgentChanges::new;
    let each = [
        ("name", new().name("new")),
        ("description", new().description("does")),
        ("owner", new().owner("Ada")),
        ("scopes", new().scopes(["tools:write"])),
        ("audiences", new().audiences([ISSUER])),
        ("capabilities", new().capabilities(["nlp/text_completion"])),
        ("url", new().url("https://bot.example.com/a2a")),
        ("tokenAlg", new().token_alg(Alg::EdDsa)),
        ("tokenLifeSecondsMax", new().token_life_seconds_max(300)),
    ];
    for (name, changes) in each {
        org.update_agent(&acme.agent.id, &changes).unwrap();
        let told = org.audit(&PageRequest::first()).unwrap().items.pop().unwrap();
        assert_eq!(told.event_type, "agent.updated");
        assert_eq!(told.data.get("changed"), Some(&json!([name])));
    }
    test.finish();
}

fn a_change_that_changes_nothing_writes_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let before = (org.agent(&acme.agent.id).unwrap(), test.trail(&acme.org.id));
    let same = AgentChanges::new().name("bot").scopes(["tools:read", "openid"]);
    for changes in [AgentChanges::new(), same] {
        assert_eq!(org.update_agent(&acme.agent.id, &changes).unwrap(), before.0);
    }
    assert_eq!((org.agent(&acme.agent.id).unwrap(), test.trail(&acme.org.id)), before);
    test.finish();
}

fn a_change_by_somebody_who_read_an_older_version_is_refused(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let read = org.agent(&acme.agent.id).unwrap();
    let change = |name: &str| AgentChanges::new().name(name).expected_version(read.version());
    org.update_agent(&read.id, &change("first")).unwrap();
    let refused = org.update_agent(&read.id, &change("second")).unwrap_err();
    assert!(matches!(refused, AgentError::VersionConflict { .. }));
    assert_eq!(refused.code(), ErrorCode::Conflict);
    assert_eq!(org.agent(&read.id).unwrap().name, "first");
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.updated Refused");
    // Of many who read the same, one is right.
    let read = org.agent(&acme.agent.id).unwrap();
    let won = std::thread::scope(|scope| {
        let change = |n| {
            let changes = AgentChanges::new().name(format!("{n}")).expected_version(read.version());
            test.idp.org(&acme.org.id).update_agent(&acme.agent.id, &changes).is_ok()
        };
        let callers: Vec<_> = (0..6).map(|n| scope.spawn(move || change(n))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
    test.finish();
}

fn a_change_is_for_those_who_may_and_only_by_what_they_hold(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let idp = bearer(&test, &acme.org.id, &["agents:write", "tools:write"]);
    let org = idp.org(&acme.org.id);
    let scopes = |list: &[&str]| AgentChanges::new().scopes(list.iter().copied());
    let widened =
        org.update_agent(&acme.agent.id, &scopes(&["tools:read", "tools:write"])).unwrap();
    assert_eq!(widened.scopes.to_string(), "tools:read tools:write");
    let refused = org.update_agent(&acme.agent.id, &scopes(&["tools:delete"]));
    assert!(matches!(refused, Err(AgentError::Denied(Denied::ScopesNotHeld))));
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.updated Refused");
    let administration = test.idp.org(&acme.org.id);
    let refused = administration.update_agent(&acme.agent.id, &scopes(&["admin:orgs"]));
    assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidScope);
    let foreign = idp.org(&globex.org.id).update_agent(&globex.agent.id, &scopes(&[]));
    assert!(matches!(foreign, Err(AgentError::NotFound)));
    let reader = bearer(&test, &acme.org.id, &["agents:read"]);
    let denied = reader.org(&acme.org.id).update_agent(&acme.agent.id, &scopes(&[]));
    assert!(matches!(denied, Err(AgentError::Denied(Denied::ScopeMissing("agents:write")))));
    let kept = administration.agent(&acme.agent.id).unwrap();
    assert_eq!(kept.scopes, widened.scopes);
    test.finish();
}

fn an_agent_does_not_widen_its_own_scopes(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let new = NewAgent::new("self").scope("agents:write").scope("tools:read");
    let agent = org.register_agent(new).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let narrow = TokenRequest::client_credentials(&agent.id, credential.secret())
        .scope("agents:write")
        .resource(ISSUER);
    let token = test.idp.token(&narrow).unwrap();
    let own = test.idp.on_behalf_of(&token.access_token).unwrap().org(&acme.org.id);
    let scopes = |list: &[&str]| AgentChanges::new().scopes(list.iter().copied());
    for wider in [&["agents:write", "tools:write"][..], &["tools:read"]] {
        let refused = own.update_agent(&agent.id, &scopes(wider));
        assert!(matches!(refused, Err(AgentError::Denied(Denied::ScopesNotHeld))), "{wider:?}");
    }
    own.update_agent(&agent.id, &AgentChanges::new().name("myself")).unwrap();
    own.update_agent(&agent.id, &scopes(&["agents:write"])).unwrap();
    test.finish();
}

fn a_decision_made_before_a_change_does_not_stand(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let other = test.reopen();
    test.idp.token(&acme.request().scope("tools:read")).unwrap();
    let none = AgentChanges::new().scopes(["openid"]);
    other.org(&acme.org.id).update_agent(&acme.agent.id, &none).unwrap();
    let refused = test.idp.token(&acme.request().scope("tools:read")).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidScope);
    test.finish();
}

fn keys_that_agents_hold_come_with_the_registration_or_not_at_all(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let before = test.trail(&acme.org.id);
    for (what, key) in keys::refused() {
        let refused = org.register_agent(NewAgent::new("bot").public_key(&key)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidKey, "{what}");
    }
    assert_eq!(all(&org, &AgentFilter::All).len(), 1, "nothing is stored");
    assert_eq!(test.trail(&acme.org.id), before);
    let own = keys::jwk();
    let new = NewAgent::new("bot").public_key(&own.to_string()).public_key(keys::PEM);
    let agent = org.register_agent(new.public_key(keys::PEM)).unwrap();
    let published = org.agent_keys(&agent.id).unwrap();
    let named = |kid: &str| published.iter().filter(|key| key.kid == kid).count();
    assert_eq!((published.len(), named(keys::PEM_KID)), (3, 1));
    assert_eq!(named(own["kid"].as_str().unwrap()), 1);
    test.finish();
}

fn an_agent_is_registered_with_nine_keys_of_its_own_at_most(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let with_keys = |count: usize| {
        let with_one_more = |new: NewAgent, _: usize| new.public_key(&keys::jwk().to_string());
        (0..count).fold(NewAgent::new("keyed"), with_one_more)
    };
    let full = org.register_agent(with_keys(10));
    assert!(matches!(full, Err(AgentError::KeysFull(10))), "{full:?}");
    let agent = org.register_agent(with_keys(9)).unwrap();
    // With the one that is held for it here they are as many as an agent may have.
    assert_eq!(org.agent_keys(&agent.id).unwrap().len(), 10);
    test.finish();
}

fn updating_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let mut last = String::new();
    let verb = |at| {
        let name = format!("bot {at} {}", last.len());
        let updated =
            org.update_agent(&acme.agent.id, &AgentChanges::new().name(&name).owner("Ada"));
        if updated.is_ok() {
            last = name;
        }
        let stored = test.store.aside(|| org.agent(&acme.agent.id).unwrap().name);
        assert!(last.is_empty() || stored == last);
        updated.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.updated"), successes);
    });
    test.finish();
}
