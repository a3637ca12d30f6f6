//! Heads and counts that lag behind are written in time, and none is forgotten.

use std::time::Instant;

use super::SqliteStore;
use super::commit_faults::{INSERT_ORGANIZATION, OPEN_LOG};
use crate::base::{Month, OrgId, SystemClock, SystemRng, Timestamp, limits, pause};
use crate::store::{Scope, Store, StoreError, Tx, Value};

const STORED: &str = "SELECT h.size, u.issued FROM audit_heads h
    JOIN token_usage u ON u.organization_id = h.organization_id WHERE h.organization_id = ?1";

struct Log {
    store: SqliteStore,
    scope: Scope,
}

impl Log {
    fn open(store: SqliteStore) -> Log {
        let scope = Scope::Org(OrgId::generate(&SystemClock, &SystemRng).unwrap());
        let opened: &dyn Store = &store;
        let head = [Value::Blob(&[0; 32]), Value::Blob(&[])];
        let open = |tx: &mut dyn Tx| {
            tx.execute(INSERT_ORGANIZATION, &[])?;
            tx.execute(OPEN_LOG, &head)
        };
        opened.write::<_, StoreError>("open", &scope, open).unwrap();
        Log { store, scope }
    }

    fn issue(&self, event: &str) {
        let store: &dyn Store = &self.store;
        let issued = store.write::<_, StoreError>("issue", &self.scope, |tx| {
            tx.append_entry(event, "{}")?;
            tx.count_tokens(Month::of(Timestamp::from_micros(0)), 1, 1000)
        });
        assert_eq!(issued, Ok(true));
    }

    /// The head's size and the count, as they are stored.
    fn stored(&self) -> (i64, i64) {
        let store: &dyn Store = &self.store;
        let read = store.read::<_, StoreError>(&self.scope, |tx| {
            tx.row(STORED, &[], |row| Ok((row.int(0)?, row.int(1)?)))
        });
        read.unwrap().unwrap()
    }
}

#[test]
fn a_head_is_written_a_while_after_the_last_token() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::open(SqliteStore::open(&home.path().join("a.db")).unwrap());
    for event in ["a", "b", "c"] {
        log.issue(event);
    }
    assert_eq!(log.stored(), (1, 1), "the first brings it along, for it was read for it");
    let begun = Instant::now();
    while log.stored() != (3, 3) {
        assert!(begun.elapsed() < limits::HEAD_LAG_LIFE * 6);
        pause(limits::HEAD_LAG_LIFE / 50);
    }
    // And again.
    log.issue("d");
    log.issue("e");
    while log.stored() != (5, 5) {
        assert!(begun.elapsed() < limits::HEAD_LAG_LIFE * 12);
        pause(limits::HEAD_LAG_LIFE / 50);
    }
}

#[test]
fn a_head_is_written_before_its_log_is_forgotten_for_others() {
    let log = Log::open(SqliteStore::open_in_memory().unwrap());
    for event in ["a", "b", "c"] {
        log.issue(event);
    }
    assert_eq!(log.stored(), (1, 1));
    log.store.writer.crowd_ends(limits::LOG_ENDS_MAX);
    log.issue("d");
    assert_eq!(log.stored(), (4, 4));
    log.issue("e");
    assert_eq!(log.stored(), (5, 5), "it was read again");
    log.issue("f");
    assert_eq!(log.stored(), (5, 5));
}
