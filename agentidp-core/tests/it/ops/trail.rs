//! The trail: pages, verification, and what verification finds in a damaged one.

use super::Engine;
use agentidp_core::audit::FindingKind;
use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{OrgId, PageRequest};
use agentidp_testkit::TestIdp;

super::on_every_engine!(
    pages_follow_each_other_without_gap_or_repetition,
    a_change_of_stored_bytes_is_found_where_it_is,
    a_deleted_end_is_found_by_the_head,
    a_damaged_head_stops_its_own_organization_alone,
    writers_of_both_kinds_survive_a_neighbour_whose_commits_fail,
    personal_values_are_commitments_in_the_entry,
);

fn pages_follow_each_other_without_gap_or_repetition(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    for _ in 0..8 {
        test.idp.token(&acme.request()).unwrap();
    }
    let org = test.idp.org(&acme.org.id);
    let whole = org.audit(&PageRequest::first().limit(500)).unwrap();
    assert_eq!((whole.items.len(), &whole.next_cursor), (11, &None));
    let mut request = PageRequest::first().limit(3);
    let mut paged = Vec::new();
    loop {
        let page = org.audit(&request).unwrap();
        assert!(page.items.len() <= 3);
        paged.extend(page.items);
        match page.next_cursor {
            Some(cursor) => request = PageRequest::first().limit(3).after(cursor),
            None => break,
        }
    }
    assert_eq!(paged, whole.items);
    let nonsense = PageRequest::first().after(agentidp_core::Cursor::new("x"));
    assert!(org.audit(&nonsense).is_err());
    test.finish();
}

// What the triggers refuse a careless hand can still do to the file or as the owner: the tests do it
// by writing a forged row in the place of the true one's number.
const FORGE: &str = "INSERT INTO audit_logs
        (organization_id, log_number, seq, event_id, entry, previous_hash, hash)
    SELECT organization_id, log_number, seq + 100, event_id || 'x', entry, previous_hash, ?2
    FROM audit_logs WHERE organization_id = ?1 AND seq = 1";

fn a_change_of_stored_bytes_is_found_where_it_is(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    assert_eq!(test.trail(&acme.org.id).len(), 3, "all have their numbers");
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(acme.org.id.clone());
    let write = store
        .write::<_, StoreError>("forge", &scope, |tx| tx.execute(FORGE, &[Value::Blob(&[7; 32])]));
    assert_eq!(write.unwrap(), 1, "one forged row");
    let report = test.idp.org(&acme.org.id).verify_audit();
    // An id that is none is told as a row that cannot be read; a readable forgery as findings.
    assert!(report.is_err() || !report.unwrap().valid);
    assert!(test.idp.org(&globex.org.id).verify_audit().unwrap().valid);
}

const MOVE_HEAD: &str = "UPDATE audit_heads SET size = size + 1 WHERE organization_id = ?1";

fn a_deleted_end_is_found_by_the_head(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    assert_eq!(test.trail(&acme.org.id).len(), 3, "all have their numbers");
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(acme.org.id.clone());
    let moved = store.write::<_, StoreError>("cut", &scope, |tx| tx.execute(MOVE_HEAD, &[]));
    assert_eq!(moved.unwrap(), 1, "one head moved");
    let report = test.idp.org(&acme.org.id).verify_audit().unwrap();
    assert!(!report.valid);
    assert_eq!(report.findings[0].kind, FindingKind::Head);
}

fn a_damaged_head_stops_its_own_organization_alone(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    damage_head(&test, &acme.org.id);
    // SQLite numbers before it commits, so it refuses; PostgreSQL leaves the entry without a number.
    let _ = test.idp.token(&acme.request());
    test.idp.token(&globex.request()).unwrap();
    assert!(test.idp.org(&globex.org.id).verify_audit().unwrap().valid);
    assert_eq!(test.trail(&globex.org.id).last().unwrap(), "token.issued Success");
    assert!(!test.idp.org(&acme.org.id).verify_audit().unwrap().valid);
}

/// Tokens are issued by closures that own what they need, agents registered by closures that borrow:
/// both share batches here with an organization whose entries cannot be numbered.
fn writers_of_both_kinds_survive_a_neighbour_whose_commits_fail(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    damage_head(&test, &acme.org.id);
    std::thread::scope(|scope| {
        for caller in 0..12 {
            let (idp, acme, globex) = (&test.idp, &acme, &globex);
            scope.spawn(move || {
                let org = idp.org(&globex.org.id);
                for n in 0..5 {
                    match caller % 3 {
                        0 => drop(idp.token(&acme.request())),
                        1 => drop(idp.token(&globex.request()).unwrap()),
                        _ => {
                            let agent = agentidp_core::NewAgent::new(format!("{caller} {n}"));
                            drop(org.register_agent(agent).unwrap());
                        }
                    }
                }
            });
        }
    });
    assert_eq!(test.trail(&globex.org.id).len(), 3 + 20 + 20);
    assert!(test.idp.org(&globex.org.id).verify_audit().unwrap().valid);
}

/// The head exists on PostgreSQL once its first entries have their numbers.
fn damage_head(test: &TestIdp, organization: &OrgId) {
    assert_eq!(test.trail(organization).len(), 3, "all have their numbers");
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(organization.clone());
    let damage = store.write::<_, StoreError>("damage", &scope, |tx| {
        tx.execute(DAMAGE_HEAD, &[Value::Blob(b"")])
    });
    assert_eq!(damage.unwrap(), 1, "one head damaged");
}

const DAMAGE_HEAD: &str = "UPDATE audit_heads SET frontier = ?2 WHERE organization_id = ?1";

fn personal_values_are_commitments_in_the_entry(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let agent = agentidp_core::NewAgent::new("Bot of Ada Lovelace").owner("ada@example.com");
    test.idp.org(&acme.org.id).register_agent(agent).unwrap();
    let store: &dyn Store = &*test.store;
    let read = store.read::<_, StoreError>(&Scope::Org(acme.org.id.clone()), |tx| {
        tx.query(ENTRIES, &[], &mut |row| {
            // Commitments are base64, which contains any three letters now and then.
            assert!(!row.text(0)?.contains("Lovelace") && !row.text(0)?.contains("ada@"));
            Ok(())
        })
    });
    read.unwrap();
    test.finish();
}

const ENTRIES: &str = "SELECT entry FROM audit_logs WHERE organization_id = ?1";

#[test]
fn a_long_trail_tells_how_far_its_verification_is() {
    let test = Engine::Memory.idp();
    let acme = test.tenant("acme");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..130).for_each(|_| drop(test.idp.token(&acme.request()).unwrap())));
        }
    });
    let mut told = Vec::new();
    let org = test.idp.org(&acme.org.id);
    let report = org.verify_audit_telling(&mut |done| told.push(done)).unwrap();
    assert!(report.valid);
    assert_eq!((told, report.size), (vec![1000, 1043], 1043));
    test.finish();
}
