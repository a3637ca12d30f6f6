//! Many threads of several processes append to the logs of one database.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use agentidp_core::audit::{
    ChainVerifier, Entry, Frontier, LogHead, Outcome, genesis_hash, log_origin,
};
use agentidp_core::store::{Scope, SqliteStore, Store, StoreError, Tx, Value};
use agentidp_core::{Clock as _, EventId, Issuer, OrgId, SystemClock, SystemRng};

use crate::store_conformance::engines::{Place, file_in, new_organization};

const PROCESSES: usize = 4;
const THREADS: usize = 16;
const ENTRIES: usize = 25;

/// Tells a copy of this program that it is to append, and where.
const PLACE_VARIABLE: &str = "AGENTIDP_TEST_APPEND_TO";
const ORGANIZATIONS_VARIABLE: &str = "AGENTIDP_TEST_APPEND_FOR";

const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
    VALUES (?1, 0, ?2, ?3) ON CONFLICT (organization_id) DO NOTHING";
const ROWS: &str = "SELECT seq, event_id, entry, previous_hash, hash FROM audit_logs
    WHERE organization_id = ?1 ORDER BY seq";
const HEAD: &str = "SELECT size, hash, frontier FROM audit_heads WHERE organization_id = ?1";

#[test]
fn process_many_append_to_one_sqlite_file() {
    let place = Place::File(tempfile::tempdir().unwrap());
    let Place::File(directory) = &place else { unreachable!() };
    many_append(&place, &format!("file:{}", file_in(directory.path()).display()));
}

#[cfg(feature = "postgres")]
#[test]
fn process_many_append_to_one_postgres_database() {
    let place = Place::Server(agentidp_testkit::TestDatabase::new());
    let Place::Server(database) = &place else { unreachable!() };
    many_append(&place, &database.url());
}

/// The first open, the first migration and the first entry of each log are raced as well.
fn many_append(place: &Place, name: &str) {
    let organizations = [new_organization(), new_organization()];
    let children: Vec<Child> = (0..PROCESSES).map(|_| child(name, &organizations)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stdout));
    }
    let store = place.open().unwrap();
    store.settle().unwrap();
    for organization in &organizations {
        verify(&*store, organization);
    }
}

fn child(place: &str, organizations: &[OrgId; 2]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["store_concurrency::process_child", "--exact", "--nocapture"])
        .env(PLACE_VARIABLE, place)
        .env(ORGANIZATIONS_VARIABLE, format!("{} {}", organizations[0], organizations[1]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Does nothing unless it runs as a child of the tests above.
#[test]
fn process_child() {
    let Ok(place) = std::env::var(PLACE_VARIABLE) else { return };
    let organizations = std::env::var(ORGANIZATIONS_VARIABLE).unwrap();
    let organizations: Vec<OrgId> =
        organizations.split(' ').map(|id| OrgId::parse(id).unwrap()).collect();
    let store = open(&place).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (store, organizations) = (&store, &organizations);
            threads.spawn(move || {
                for entry in 0..ENTRIES {
                    append(
                        &**store,
                        &organizations[(thread + entry) % 2],
                        (thread + entry / 2) % 2 == 0,
                    )
                    .unwrap();
                }
            });
        }
    });
}

fn open(place: &str) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(path) = place.strip_prefix("file:") {
        return Ok(Arc::new(SqliteStore::open(path.as_ref())?));
    }
    #[cfg(feature = "postgres")]
    return Ok(Arc::new(agentidp_core::store::PostgresStore::open(place)?));
    #[cfg(not(feature = "postgres"))]
    Err(StoreError::NotRun)
}

fn append(store: &dyn Store, organization: &OrgId, owned: bool) -> Result<(), StoreError> {
    let origin = origin(organization);
    let event = EventId::generate(&SystemClock, &SystemRng).unwrap();
    let entry = Entry::new(&origin, &event, SystemClock.now(), "agent.created", Outcome::Success);
    let entry = entry.to_bytes().unwrap();
    let both = move |tx: &mut dyn Tx| {
        tx.execute(OPEN_LOG, &[Value::Blob(&genesis_hash(&origin)), Value::Blob(&[])])?;
        tx.append_entry(event.as_str(), &entry)
    };
    // Every other one by the way of those that borrow nothing, so that both meet in one batch.
    let scope = Scope::Org(organization.clone());
    if owned {
        store.write_owned("append", &scope, both)
    } else {
        store.write("append", &scope, |tx| both(tx))
    }
}

fn origin(organization: &OrgId) -> String {
    log_origin(&Issuer::parse("https://idp.example.com").unwrap(), organization)
}

/// Dense numbers from 0, one genesis, no fork, every entry once, the head where the log ends.
fn verify(store: &dyn Store, organization: &OrgId) {
    let mut events = std::collections::HashSet::new();
    let report = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        let mut head = None;
        tx.query(HEAD, &[], &mut |row| {
            let frontier = Frontier::from_bytes(row.int(0)? as u64, row.blob(2)?).unwrap();
            head = Some(LogHead { hash: row.blob(1)?.to_vec(), frontier });
            Ok(())
        })?;
        let mut verifier = ChainVerifier::new(&origin(organization), head);
        tx.query(ROWS, &[], &mut |row| {
            let event = EventId::parse(row.text(1)?).unwrap();
            let seq = row.int(0)? as u64;
            verifier.push(seq, event.as_str(), row.text(2)?, row.blob(3)?, row.blob(4)?);
            assert!(events.insert(event));
            Ok(())
        })?;
        Ok(verifier.finish())
    });
    let report = report.unwrap();
    assert!(report.valid, "{report:?}");
    assert_eq!(report.size as usize, PROCESSES * THREADS * ENTRIES / 2);
    assert_eq!(events.len() as u64, report.size);
}
