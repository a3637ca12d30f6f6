//! Logs that were written before they had numbers (migration 4) go on where they were.

use std::sync::Arc;

use agentidp_core::store::{SqliteStore, Store};
use agentidp_core::{Config, Database, Idp, KekSource, NewOrg};
use agentidp_testkit::{Tenant, TestIdp};

use super::engine::Engine;

/// Takes migration 4 back.
const NO_NUMBERS_ON_SQLITE: &str = "
    CREATE TABLE old_heads (
        organization_id TEXT NOT NULL PRIMARY KEY,
        size INTEGER NOT NULL CHECK (size >= 0),
        hash BLOB NOT NULL,
        frontier BLOB NOT NULL,
        stopped INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    INSERT INTO old_heads SELECT organization_id, size, hash, frontier, stopped FROM audit_heads;
    DROP TABLE audit_heads;
    ALTER TABLE old_heads RENAME TO audit_heads;
    CREATE TABLE old_logs (
        organization_id TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 0),
        event_id TEXT NOT NULL,
        entry TEXT NOT NULL,
        previous_hash BLOB NOT NULL,
        hash BLOB NOT NULL,
        counted_in INTEGER,
        PRIMARY KEY (organization_id, seq)
    ) STRICT;
    INSERT INTO old_logs
    SELECT organization_id, seq, event_id, entry, previous_hash, hash, counted_in FROM audit_logs;
    DROP TABLE audit_logs;
    ALTER TABLE old_logs RENAME TO audit_logs;
    CREATE UNIQUE INDEX audit_logs_event ON audit_logs (event_id, organization_id);
    CREATE TRIGGER audit_logs_refuse_update BEFORE UPDATE ON audit_logs
    BEGIN SELECT RAISE(ABORT, 'audit_logs is insert-only'); END;
    DELETE FROM schema_migrations WHERE version = 4;";

#[cfg(feature = "postgres")]
const NO_NUMBERS_ON_POSTGRES: &str = "
    DROP POLICY tenant ON audit_logs;
    CREATE POLICY tenant ON audit_logs
        USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
        WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
    ALTER TABLE audit_logs DROP COLUMN log_number;
    ALTER TABLE audit_logs ADD PRIMARY KEY (organization_id, seq);
    CREATE UNIQUE INDEX audit_logs_event ON audit_logs (event_id, organization_id);
    ALTER TABLE audit_heads DROP CONSTRAINT audit_heads_organization_id_key;
    ALTER TABLE audit_heads DROP COLUMN log_number;
    ALTER TABLE audit_heads ADD PRIMARY KEY (organization_id);
    DELETE FROM schema_migrations WHERE version = 4;";

fn go_on(test: &TestIdp, take_back: impl FnOnce(), open: impl FnOnce() -> Arc<dyn Store>) {
    let (acme, globex) = test.two_orgs();
    for tenant in [&acme, &globex, &acme, &acme] {
        test.idp.token(&tenant.request()).unwrap();
    }
    let before = [&acme, &globex].map(|tenant| test.trail(&tenant.org.id));
    assert_eq!((before[0].len(), before[1].len()), (6, 4));
    // As another process counts, on an engine where this one has set some aside.
    let usage = |idp: &Idp, tenant: &Tenant| idp.org(&tenant.org.id).usage().unwrap().issued;
    let issued = [&acme, &globex].map(|tenant| usage(&test.reopen(), tenant));
    take_back();
    let config = Config::new(Database::Opened(open()))
        .kek(KekSource::file(test.kek_path()))
        .clock(test.clock.clone());
    let idp = Idp::open_existing(config).unwrap();
    for (tenant, (before, issued)) in [&acme, &globex].into_iter().zip(before.iter().zip(issued)) {
        let org = idp.org(&tenant.org.id);
        assert_eq!(&test.trail(&tenant.org.id), before);
        assert!(org.verify_audit().unwrap().valid);
        assert_eq!(usage(&idp, tenant), issued);
        idp.token(&tenant.request()).unwrap();
        let report = org.verify_audit().unwrap();
        assert!(report.valid);
        assert_eq!(report.size, before.len() as u64 + 1);
        assert!(usage(&idp, tenant) > issued);
    }
    // A new log takes none of their numbers.
    let late = idp.create_org(NewOrg::new("late")).unwrap();
    assert!(idp.org(&late.id).verify_audit().unwrap().valid);
}

#[test]
fn logs_of_a_file_without_numbers_go_on() {
    let (store, file, guard) = Engine::File.open();
    let path = file.clone().unwrap();
    let test = TestIdp::over(store, file, guard);
    let take_back = || {
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.execute_batch(&format!("BEGIN; {NO_NUMBERS_ON_SQLITE} COMMIT;")).unwrap();
    };
    go_on(&test, take_back, || Arc::new(SqliteStore::open(&path).unwrap()));
    test.finish();
}

/// What lies in the log of nobody is not dropped on the way.
#[test]
fn a_file_with_an_entry_of_no_log_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("agentidp.db");
    drop(SqliteStore::open(&path).unwrap());
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(&format!("BEGIN; {NO_NUMBERS_ON_SQLITE} COMMIT;")).unwrap();
    raw.execute_batch("INSERT INTO audit_logs VALUES ('gone', 0, 'e', '{}', x'00', x'00', NULL)")
        .unwrap();
    assert!(SqliteStore::open(&path).is_err());
    let entries: i64 =
        raw.query_row("SELECT COUNT(*) FROM audit_logs", [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 1);
}

#[cfg(feature = "postgres")]
#[test]
fn logs_of_a_server_without_numbers_go_on() {
    use agentidp_core::store::PostgresStore;
    use agentidp_testkit::{Session, TestDatabase};
    let (store, file, guard) = Engine::Postgres.open();
    let database = guard.downcast_ref::<TestDatabase>().unwrap();
    let (url, superuser) = (database.url(), database.superuser_url());
    let test = TestIdp::over(store, file, guard);
    let take_back = || {
        Session::connect(&superuser).try_run(NO_NUMBERS_ON_POSTGRES).unwrap();
    };
    go_on(&test, take_back, || Arc::new(PostgresStore::open(&url).unwrap()));
    test.finish();
}
