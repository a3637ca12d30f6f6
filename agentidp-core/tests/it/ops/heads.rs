//! A log that cannot be continued stops alone, and goes on when it is mended.

use agentidp_core::base::limits::HEAD_LAG_MAX;
use agentidp_core::store::{Scope, Store, StoreError, Tx, Value};
use agentidp_core::{ErrorCode, NewAgent, OrgId};
use agentidp_testkit::{Tenant, TestIdp};

use super::Engine;

super::on_every_engine!(
    a_head_put_back_to_an_older_state_stops_its_own_log_alone,
    an_entry_that_has_its_number_already_stops_its_own_log_alone,
);

const CALLERS: usize = 9;
const ROUNDS: usize = 3;

/// The end of a log, as it was at some time.
#[derive(Debug, PartialEq)]
struct Head {
    size: i64,
    hash: Vec<u8>,
    frontier: Vec<u8>,
    stopped: i64,
}

const HEAD: &str =
    "SELECT size, hash, frontier, stopped FROM audit_heads WHERE organization_id = ?1";
const SET_HEAD: &str = "UPDATE audit_heads SET size = ?2, hash = ?3, frontier = ?4, stopped = ?5
    WHERE organization_id = ?1";
const PENDING: &str = "SELECT COUNT(*) FROM audit_pending WHERE organization_id = ?1";

fn head(test: &TestIdp, organization: &OrgId) -> Head {
    let store: &dyn Store = &*test.store;
    store.settle().unwrap();
    let mut head = None;
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(HEAD, &[], &mut |row| {
            let (hash, frontier) = (row.blob(1)?.to_vec(), row.blob(2)?.to_vec());
            head = Some(Head { size: row.int(0)?, hash, frontier, stopped: row.int(3)? });
            Ok(())
        })
    });
    read.unwrap();
    head.unwrap()
}

fn set_head(test: &TestIdp, organization: &OrgId, head: &Head) {
    let params = [
        Value::Int(head.size),
        Value::Blob(&head.hash),
        Value::Blob(&head.frontier),
        Value::Int(head.stopped),
    ];
    write(test, organization, |tx| tx.execute(SET_HEAD, &params)).unwrap();
}

fn write<T>(
    test: &TestIdp,
    organization: &OrgId,
    work: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let store: &dyn Store = &*test.store;
    store.write("test", &Scope::Org(organization.clone()), work)
}

fn pending(test: &TestIdp, organization: &OrgId) -> i64 {
    let store: &dyn Store = &*test.store;
    let mut count = 0;
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(PENDING, &[], &mut |row| {
            count = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    count
}

/// Whether an engine numbers before it commits, so that who wrote the entry is told.
fn tells_the_writer(engine: Engine) -> bool {
    matches!(engine, Engine::Memory | Engine::File)
}

/// Both organizations write at once, by closures that own (tokens) and by closures that borrow
/// (agents). `sound` must not notice; what becomes of `broken` depends on the engine.
fn all_write(engine: Engine, test: &TestIdp, broken: &Tenant, sound: &Tenant) {
    let before = test.trail(&sound.org.id).len();
    let idp = &test.idp;
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let agent = NewAgent::new(format!("{caller} {round}"));
                    match caller % 3 {
                        0 => drop(idp.token(&sound.request()).unwrap()),
                        1 => drop(idp.org(&sound.org.id).register_agent(agent).unwrap()),
                        _ => match idp.token(&broken.request()) {
                            Ok(_) => assert!(!tells_the_writer(engine)),
                            Err(error) => {
                                assert!(tells_the_writer(engine), "{error}");
                                assert_eq!(error.code(), ErrorCode::AuditBroken, "{error}");
                            }
                        },
                    }
                }
            });
        }
    });
    assert_eq!(test.trail(&sound.org.id).len(), before + CALLERS / 3 * 2 * ROUNDS);
    assert!(test.idp.org(&sound.org.id).verify_audit().unwrap().valid);
    assert_eq!(pending(test, &sound.org.id), 0);
}

fn a_head_put_back_to_an_older_state_stops_its_own_log_alone(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let old = head(&test, &acme.org.id);
    // By more than a head may lag behind.
    for _ in 0..HEAD_LAG_MAX {
        test.idp.token(&acme.request()).unwrap();
    }
    // What is no token has the head written.
    test.idp.org(&acme.org.id).register_agent(NewAgent::new("another")).unwrap();
    let true_head = head(&test, &acme.org.id);
    set_head(&test, &acme.org.id, &old);
    all_write(engine, &test, &acme, &globex);
    let stopped = i64::from(!tells_the_writer(engine));
    assert_eq!(head(&test, &acme.org.id), Head { stopped, ..old }, "nothing was numbered there");
    let kept = if tells_the_writer(engine) { 0 } else { CALLERS / 3 * ROUNDS };
    assert_eq!(pending(&test, &acme.org.id), kept as i64, "what was committed waits");
    // Mended, the log goes on with what waited, and with what comes.
    set_head(&test, &acme.org.id, &true_head);
    test.idp.token(&acme.request()).unwrap();
    assert_eq!(head(&test, &acme.org.id).size, true_head.size + kept as i64 + 1);
    assert!(test.idp.org(&acme.org.id).verify_audit().unwrap().valid);
    test.finish();
}

const FIRST: &str = "SELECT event_id, entry FROM audit_logs WHERE organization_id = ?1 AND seq = 0";
const DROP_NUMBERED: &str = "DELETE FROM audit_pending WHERE organization_id = ?1
    AND event_id IN (SELECT event_id FROM audit_logs WHERE organization_id = ?1)";
const GO_ON: &str = "UPDATE audit_heads SET stopped = 0 WHERE organization_id = ?1";

/// As after part of a backup was restored.
fn an_entry_that_has_its_number_already_stops_its_own_log_alone(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let before = head(&test, &acme.org.id);
    let written = write(&test, &acme.org.id, |tx| {
        let mut first = None;
        tx.query(FIRST, &[], &mut |row| {
            first = Some((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
            Ok(())
        })?;
        let (event_id, entry) = first.unwrap();
        tx.append_entry(&event_id, &entry)
    });
    test.idp.token(&globex.request()).unwrap();
    assert!(test.idp.org(&globex.org.id).verify_audit().unwrap().valid);
    assert_eq!(pending(&test, &globex.org.id), 0);
    if tells_the_writer(engine) {
        assert_eq!(written, Err(StoreError::BrokenHead));
        assert_eq!(head(&test, &acme.org.id), before);
    } else {
        assert_eq!(written, Ok(()));
        assert_eq!(head(&test, &acme.org.id), Head { stopped: 1, ..before });
        write(&test, &acme.org.id, |tx| tx.execute(DROP_NUMBERED, &[])).unwrap();
        write(&test, &acme.org.id, |tx| tx.execute(GO_ON, &[])).unwrap();
    }
    test.idp.token(&acme.request()).unwrap();
    assert!(test.idp.org(&acme.org.id).verify_audit().unwrap().valid);
    test.finish();
}
