//! How organizations come and go: suspended, activated, deleted for good.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use agentidp_core::base::limits;
use agentidp_core::store::{Scope, Store, StoreError};
use agentidp_core::{
    AgentError, ErrorCode, IntrospectionRequest, NewAgent, NewCredential, NewOrg, OrgChanges,
    OrgError, OrgHandle, OrgId, OrgStatus, OrgStays, PageRequest, Role,
};
use agentidp_testkit::{ISSUER, TestIdp};

use super::Engine;
use super::authority::bearer;
use super::faults::{successes_in, sweep};

super::on_every_engine!(
    a_suspended_organization_gets_no_token_and_is_still_readable,
    who_acts_for_a_suspended_organization_is_refused,
    tokens_from_before_a_suspension_stay_void,
    no_token_is_issued_once_suspending_has_answered,
    each_change_of_status_ends_the_tokens_before_it,
    the_system_organization_stays,
    a_deleted_organization_is_readable_and_nothing_else,
    a_deletion_is_noticed_by_other_processes,
    deleting_makes_sealed_values_unreadable_for_good,
    deleting_forgets_persons_and_keeps_the_trail,
    deleting_is_for_good_and_its_slug_stays_taken,
    one_organization_s_end_is_not_another_s,
    changes_of_status_are_all_or_nothing,
    deleting_is_all_or_nothing,
);

fn a_suspended_organization_gets_no_token_and_is_still_readable(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    test.idp.token(&acme.request()).unwrap();
    let org = test.idp.org(&acme.org.id);
    assert_eq!(org.suspend().unwrap().status, OrgStatus::Suspended);
    let refused = test.idp.token(&acme.request()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidClient);
    assert_eq!(refused.to_string(), "client authentication failed");
    let last = org.audit(&PageRequest::first()).unwrap().items.pop().unwrap();
    assert_eq!(
        (last.event_type.as_str(), &last.data["reason"]),
        ("token.issued", &"org_not_active".into())
    );
    let registered = org.register_agent(NewAgent::new("x")).unwrap_err();
    assert_eq!(registered.code(), ErrorCode::NotActive);
    // The operator sees all of it, and sets it right.
    assert_eq!(test.idp.find_org("acme").unwrap().status, OrgStatus::Suspended);
    assert_eq!(org.agent(&acme.agent.id).unwrap().did, acme.agent.did);
    assert!(org.verify_audit().unwrap().valid);
    assert!(org.members(&PageRequest::first()).unwrap().items.is_empty());
    org.update(OrgChanges::default().name("still")).unwrap();
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    test.idp.token(&globex.request()).expect("the other goes on");
    let again = org.suspend().unwrap();
    assert_eq!(again.status, OrgStatus::Suspended, "twice is once");
    assert_eq!(org.activate().unwrap().status, OrgStatus::Active);
    test.clock.step(std::time::Duration::from_secs(10));
    test.idp.token(&acme.request()).unwrap();
    let trail = test.trail(&acme.org.id);
    assert_eq!(successes_in(&trail, "org.suspended"), 1);
    assert_eq!(successes_in(&trail, "org.activated"), 1);
    test.finish();
}

fn who_acts_for_a_suspended_organization_is_refused(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let token = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    let (_, owner) =
        super::members::agent_with(&test, &acme.org.id, &["agents:read"], Some(Role::Owner));
    let org = owner.org(&acme.org.id);
    org.get().unwrap();
    test.idp.org(&acme.org.id).suspend().unwrap();
    assert_eq!(org.get().unwrap_err().code(), ErrorCode::InvalidToken);
    assert_eq!(org.agent(&acme.agent.id).unwrap_err().code(), ErrorCode::InvalidToken);
    let renamed = org.update(OrgChanges::default().name("x")).unwrap_err();
    assert_eq!(renamed.code(), ErrorCode::InvalidToken);
    assert!(test.idp.on_behalf_of(&token).is_err());
    test.idp.org(&acme.org.id).delete().unwrap();
    assert_eq!(org.get().unwrap_err().code(), ErrorCode::InvalidToken);
    assert!(test.idp.on_behalf_of(&token).is_err());
    test.finish();
}

fn tokens_from_before_a_suspension_stay_void(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let token = |tenant: &agentidp_testkit::Tenant| {
        test.idp.token(&tenant.request().resource(ISSUER)).unwrap().access_token
    };
    let admitted = |token: &str| test.idp.on_behalf_of(token).is_ok();
    let active = |token: &str| {
        let asked = IntrospectionRequest::new(token);
        let answer = serde_json::to_value(test.idp.introspect(&asked).unwrap()).unwrap();
        if answer["active"] == false {
            assert_eq!(answer, serde_json::json!({ "active": false }));
        }
        answer["active"] == true
    };
    let (before, foreign) = (token(&acme), token(&globex));
    assert!(admitted(&before) && active(&before));
    let org = test.idp.org(&acme.org.id);
    org.suspend().unwrap();
    assert!(!admitted(&before) && !active(&before));
    org.activate().unwrap();
    assert!(!admitted(&before) && !active(&before), "activating brings no token back");
    let after = token(&acme);
    assert!(admitted(&after) && active(&after), "one that is issued at once lives");
    org.delete().unwrap();
    assert!(!admitted(&after) && !active(&after));
    assert!(!admitted(&before) && !active(&before));
    assert!(admitted(&foreign) && active(&foreign));
    test.finish();
}

fn no_token_is_issued_once_suspending_has_answered(engine: Engine) {
    let (test, others) = engine.processes(2);
    let acme = test.tenant("acme");
    // Odd while it is suspended for sure.
    let (turn, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let (idp, acme) = (&others[caller % others.len()], &acme);
            let (turn, done) = (&turn, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let before = turn.load(Ordering::SeqCst);
                    let issued = idp.token(&acme.request());
                    let suspended = before % 2 == 1 && turn.load(Ordering::SeqCst) == before;
                    assert!(!(suspended && issued.is_ok()), "a token after the suspension");
                }
            });
        }
        for _ in 0..3 {
            agentidp_core::base::pause(std::time::Duration::from_millis(20));
            test.idp.org(&acme.org.id).suspend().unwrap();
            turn.fetch_add(1, Ordering::SeqCst);
            agentidp_core::base::pause(std::time::Duration::from_millis(20));
            turn.fetch_add(1, Ordering::SeqCst);
            test.idp.org(&acme.org.id).activate().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    drop(others);
    test.finish();
}

const TOKENS_NOT_BEFORE: &str =
    "SELECT tokens_not_before FROM organizations WHERE organization_id = ?1";

fn tokens_not_before(test: &TestIdp, organization: &OrgId) -> i64 {
    let store: &dyn Store = &*test.store;
    let mut found = 0;
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(TOKENS_NOT_BEFORE, &[], &mut |row| {
            found = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    found
}

fn each_change_of_status_ends_the_tokens_before_it(engine: Engine) {
    use agentidp_core::Clock;
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    assert_eq!(tokens_not_before(&test, &acme.org.id), 0);
    let mut ended = 0;
    for change in [OrgHandle::suspend, OrgHandle::activate, OrgHandle::delete] {
        test.clock.step(std::time::Duration::from_secs(3));
        let began = test.clock.now().as_micros();
        change(&org).unwrap();
        ended = tokens_not_before(&test, &acme.org.id);
        // The clock of the tests moves on whenever it is read.
        let margin = i64::try_from(limits::TOKENS_END_MARGIN.as_micros()).unwrap();
        assert!((began + margin..began + margin + 1000).contains(&ended));
        // Asking again ends nothing again.
        change(&org).unwrap();
        assert_eq!(tokens_not_before(&test, &acme.org.id), ended);
    }
    assert!(ended > 0);
    assert_eq!(tokens_not_before(&test, &globex.org.id), 0);
    // A clock that is set back brings no token back.
    let org = test.idp.org(&globex.org.id);
    org.suspend().unwrap();
    let ended = tokens_not_before(&test, &globex.org.id);
    test.clock.set(agentidp_core::Timestamp::from_seconds(1_700_000_000));
    org.activate().unwrap();
    // Those that were issued since count as issued just after the end that lies ahead.
    assert_eq!(tokens_not_before(&test, &globex.org.id), ended + 1);
    test.finish();
}

fn the_system_organization_stays(engine: Engine) {
    let test = engine.idp();
    let system = test.idp.org(&OrgId::system());
    let before = system.get().unwrap();
    let (_, admin) = super::members::agent_with(&test, &OrgId::system(), &["admin:orgs"], None);
    for org in [&system, &admin.org(&OrgId::system())] {
        for refused in [org.suspend(), org.delete()] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, OrgError::Stays(OrgStays::System)));
            assert_eq!(refused.code(), ErrorCode::SystemOrg);
        }
        assert_eq!(org.activate().unwrap(), before);
    }
    assert_eq!(system.get().unwrap(), before);
    let trail = test.trail(&OrgId::system());
    assert_eq!(trail.iter().filter(|e| *e == "org.suspended Refused").count(), 2);
    assert_eq!(trail.iter().filter(|e| *e == "org.deleted Refused").count(), 2);
    test.finish();
}

/// What would change a deleted organization is answered by `not_active`, whatever the verb.
fn assert_closed(test: &TestIdp, idp: &agentidp_core::Idp, acme: &agentidp_testkit::Tenant) {
    let org = idp.org(&acme.org.id);
    let codes = [
        org.register_agent(NewAgent::new("x")).unwrap_err().code(),
        org.issue_credential(&acme.agent.id, NewCredential::default()).unwrap_err().code(),
        org.update(OrgChanges::default().name("x")).unwrap_err().code(),
        org.update(OrgChanges::default().max_agents(1).name("y")).unwrap_err().code(),
        org.suspend().unwrap_err().code(),
        org.activate().unwrap_err().code(),
        org.add_member(&acme.agent.id, Role::Owner).unwrap_err().code(),
        org.set_member_role(&acme.agent.id, Role::Owner).unwrap_err().code(),
        org.remove_member(&acme.agent.id).unwrap_err().code(),
    ];
    assert_eq!(codes, [ErrorCode::NotActive; 9]);
    assert_eq!(idp.token(&acme.request()).unwrap_err().code(), ErrorCode::InvalidClient);
    assert_eq!(org.get().unwrap().status, OrgStatus::Deleted);
    assert_eq!(idp.find_org("acme").unwrap().status, OrgStatus::Deleted);
    assert_eq!(org.agent(&acme.agent.id).unwrap().did, acme.agent.did);
    assert_eq!(org.members(&PageRequest::first()).unwrap().items.len(), 1);
    assert_eq!(org.footprint().unwrap().agents, 1);
    assert!(idp.list_orgs(&PageRequest::first()).unwrap().items.contains(&org.get().unwrap()));
    assert!(test.trail(&acme.org.id).iter().filter(|e| e.ends_with("Refused")).count() >= 9);
    assert!(org.verify_audit().unwrap().valid);
}

fn a_deleted_organization_is_readable_and_nothing_else(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    test.idp.token(&acme.request()).unwrap();
    let deleted = org.delete().unwrap();
    assert_eq!((deleted.status, deleted.slug.as_str()), (OrgStatus::Deleted, "acme"));
    assert_closed(&test, &test.idp, &acme);
    // As a system agent sees it.
    let system = bearer(&test, &OrgId::system(), &["admin:orgs"]);
    let org = system.org(&acme.org.id);
    assert_eq!(org.get().unwrap(), deleted);
    assert_eq!(
        org.add_member(&acme.agent.id, Role::Admin).unwrap_err().code(),
        ErrorCode::NotActive
    );
    assert_eq!(org.activate().unwrap_err().code(), ErrorCode::NotActive);
    test.finish();
}

fn a_deletion_is_noticed_by_other_processes(engine: Engine) {
    let (test, others) = engine.processes(1);
    let acme = test.tenant("acme");
    let other = &others[0];
    // It has the client, the organization's keys and a member at hand.
    other.token(&acme.request()).unwrap();
    other.org(&acme.org.id).register_agent(NewAgent::new("x")).unwrap();
    let page = other.org(&acme.org.id).add_member(&acme.agent.id, Role::Owner);
    page.unwrap();
    test.idp.org(&acme.org.id).update(OrgChanges::default().name("Acme")).unwrap();
    test.idp.org(&acme.org.id).delete().unwrap();
    let org = other.org(&acme.org.id);
    assert_eq!(other.token(&acme.request()).unwrap_err().code(), ErrorCode::InvalidClient);
    let registered = org.register_agent(NewAgent::new("x")).unwrap_err();
    assert!(matches!(registered, AgentError::Denied(_)), "{registered:?}");
    assert_eq!(registered.code(), ErrorCode::NotActive);
    assert_eq!(
        org.update(OrgChanges::default().name("x")).unwrap_err().code(),
        ErrorCode::NotActive
    );
    assert_eq!(org.get().unwrap().status, OrgStatus::Deleted);
    drop(others);
    test.finish();
}

const DATA_KEYS: &str =
    "SELECT wrapped_key, state FROM data_keys WHERE organization_id = ?1 ORDER BY data_key_id";

fn data_keys(test: &TestIdp, organization: &OrgId) -> Vec<(Vec<u8>, String)> {
    let store: &dyn Store = &*test.store;
    let mut keys = Vec::new();
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(DATA_KEYS, &[], &mut |row| {
            keys.push((row.blob(0)?.to_vec(), row.text(1)?.to_owned()));
            Ok(())
        })
    });
    read.unwrap();
    keys
}

fn deleting_makes_sealed_values_unreadable_for_good(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (doomed, kept) = (data_keys(&test, &acme.org.id), data_keys(&test, &globex.org.id));
    assert_eq!(doomed.len(), 4);
    test.idp.org(&acme.org.id).delete().unwrap();
    let destroyed = (Vec::new(), "destroyed".to_owned());
    assert_eq!(data_keys(&test, &acme.org.id), vec![destroyed; 4]);
    assert_eq!(data_keys(&test, &globex.org.id), kept);
    let page = test.idp.org(&acme.org.id).audit(&PageRequest::first()).unwrap();
    assert_eq!(page.items.last().unwrap().data["dataKeysDestroyed"], 4);
    test.finish();
}

/// On disk too: once the store is closed there is no write-ahead log, and the file keeps nothing of a
/// key that was destroyed.
#[test]
fn the_file_keeps_nothing_of_destroyed_keys() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("agentidp.db");
    let store = std::sync::Arc::new(agentidp_core::store::SqliteStore::open(&path).unwrap());
    let test = TestIdp::over(store, Some(path.clone()), Box::new(()));
    let (acme, globex) = test.two_orgs();
    let (doomed, kept) = (data_keys(&test, &acme.org.id), data_keys(&test, &globex.org.id));
    test.idp.org(&acme.org.id).delete().unwrap();
    test.finish();
    assert!(!path.with_extension("db-wal").exists());
    let bytes = std::fs::read(path).unwrap();
    let found = |key: &[u8]| bytes.windows(key.len()).any(|window| window == key);
    assert!(kept.iter().all(|(key, _)| found(key)), "the search finds what is there");
    assert!(!doomed.iter().any(|(key, _)| found(key)));
}

fn deleting_forgets_persons_and_keeps_the_trail(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let name = |slug: &str| {
        NewAgent::new(format!("bot of {slug}")).owner("ada@example.com").description("d")
    };
    let of_acme = test.idp.org(&acme.org.id).register_agent(name("acme")).unwrap();
    let of_globex = test.idp.org(&globex.org.id).register_agent(name("globex")).unwrap();
    let org = test.idp.org(&acme.org.id);
    org.update(OrgChanges::default().name("Ada Lovelace")).unwrap();
    let before = test.trail(&acme.org.id);
    let deleted = org.delete().unwrap();
    assert_eq!(deleted.name, "acme", "of its names the slug is left");
    let left = org.agent(&of_acme.id).unwrap();
    assert_eq!((left.name.as_str(), left.owner, left.description), (left.id.as_str(), None, None));
    assert_eq!((&left.did, left.status), (&of_acme.did, of_acme.status));
    assert_eq!(test.idp.org(&globex.org.id).agent(&of_globex.id).unwrap(), of_globex);
    let after = test.trail(&acme.org.id);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.last().unwrap(), "org.deleted Success");
    assert!(org.verify_audit().unwrap().valid);
    test.finish();
}

fn deleting_is_for_good_and_its_slug_stays_taken(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.suspend().unwrap();
    let deleted = org.delete().unwrap();
    let trail = test.trail(&acme.org.id);
    assert_eq!(org.delete().unwrap(), deleted, "twice is once");
    assert_eq!(test.trail(&acme.org.id), trail);
    assert!(matches!(org.activate(), Err(OrgError::Stays(OrgStays::Deleted))));
    assert!(matches!(org.suspend(), Err(OrgError::Stays(OrgStays::Deleted))));
    let taken = test.idp.create_org(NewOrg::new("acme")).unwrap_err();
    assert_eq!(taken.code(), ErrorCode::SlugTaken);
    let reopened = test.reopen();
    assert_eq!(reopened.find_org("acme").unwrap().status, OrgStatus::Deleted);
    assert_eq!(reopened.token(&acme.request()).unwrap_err().code(), ErrorCode::InvalidClient);
    test.finish();
}

fn one_organization_s_end_is_not_another_s(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (before, trail) = (test.idp.org(&globex.org.id).get().unwrap(), test.trail(&globex.org.id));
    let org = test.idp.org(&acme.org.id);
    org.suspend().unwrap();
    org.activate().unwrap();
    org.delete().unwrap();
    assert_eq!(test.idp.org(&globex.org.id).get().unwrap(), before);
    assert_eq!(test.trail(&globex.org.id), trail);
    test.idp.token(&globex.request()).unwrap();
    test.idp.org(&globex.org.id).register_agent(NewAgent::new("x").owner("Ada")).unwrap();
    let nobody = test.idp.org(&OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap());
    for answer in [nobody.suspend(), nobody.activate(), nobody.delete()] {
        assert!(matches!(answer, Err(OrgError::NotFound)));
    }
    test.finish();
}

fn changes_of_status_are_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let verb = |_| {
        let seen = || test.store.aside(|| org.get().unwrap());
        let before = seen();
        let changed = match before.status {
            OrgStatus::Active => org.suspend(),
            _ => org.activate(),
        };
        assert_eq!(changed.as_ref().unwrap_or(&before), &seen());
        changed.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        let trail = test.trail(&acme.org.id);
        let told = successes_in(&trail, "org.suspended") + successes_in(&trail, "org.activated");
        assert_eq!(told, successes);
    });
    test.finish();
}

fn deleting_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let tenants: Vec<_> = (0..25).map(|n| test.tenant(&format!("org-{n}"))).collect();
    let mut next = 0;
    let verb = |_| {
        let tenant = &tenants[next];
        let org = test.idp.org(&tenant.org.id);
        let seen = || (org.get().unwrap(), org.agent(&tenant.agent.id).unwrap());
        let before = test.store.aside(seen);
        let deleted = org.delete();
        test.store.aside(|| {
            if deleted.is_err() {
                assert_eq!(seen(), before);
                let keys = data_keys(&test, &tenant.org.id);
                assert!(keys.iter().all(|(_, state)| state == "active"));
                test.idp.token(&tenant.request()).expect("it goes on as it was");
            } else {
                assert_eq!(successes_in(&test.trail(&tenant.org.id), "org.deleted"), 1);
            }
        });
        next += usize::from(deleted.is_ok());
        deleted.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |_, _| {});
    test.finish();
}
