//! What only PostgreSQL can get wrong: connections, retries, threads, URLs.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use agentidp_core::base::pause;
use agentidp_core::store::{PostgresStore, Scope, Store, StoreError, Value};
use agentidp_testkit::{Session, TestDatabase};

use super::engines::{Bed, Place, add_agent, int, texts};

const BACKEND: &str = "SELECT pg_backend_pid() WHERE ?1 <> ''";
const DIVIDE_BY_ZERO: &str = "SELECT 1 / 0 WHERE ?1 <> ''";

fn database(bed: &Bed) -> &TestDatabase {
    match &bed.place {
        Place::Server(database) => database,
        _ => unreachable!(),
    }
}

#[test]
fn postgres_works_and_closes_inside_another_runtime() {
    let database = TestDatabase::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Box<dyn Store> = Box::new(PostgresStore::open(&database.url()).unwrap());
        let one =
            store.write::<_, StoreError>("test", &Scope::Instance, |tx| int(tx, "SELECT 1", &[]));
        assert_eq!(one, Ok(1));
        drop(store);
        assert!(PostgresStore::open("postgres://localhost:1/x?sslmode=disable").is_err());
    });
}

#[test]
fn postgres_errors_do_not_tell_the_url() {
    for url in [
        "postgres://user:hunter2@localhost:1/x",
        "postgres://user:hunter2@localhost:notaport/x",
        "postgres://user:hunter2@localhost:1/x?sslmode=hunter2",
        "mysql://user:hunter2@localhost/x",
        "hunter2",
    ] {
        let error = PostgresStore::open(url).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let database = TestDatabase::new();
    let store = PostgresStore::open(&database.url()).unwrap();
    assert_eq!(format!("{store:?}"), "PostgresStore");
}

#[test]
fn postgres_uses_connections_again_also_after_errors_and_panics() {
    let bed = Bed::postgres();
    let scope = Scope::Org(bed.organization());
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let refused = bed.store().write::<(), _>("test", &scope, |_| Err(StoreError::NotRun));
        assert_eq!(refused, Err(StoreError::NotRun));
        assert!(bed.store().write("test", &scope, |tx| tx.execute(DIVIDE_BY_ZERO, &[])).is_err());
        catch_unwind(AssertUnwindSafe(|| {
            bed.store().write::<(), StoreError>("test", &scope, |_| panic!("a closure's fault"))
        }))
        .unwrap_err();
        // Nobody waits for a rollback; give it the time to hand its connection back.
        pause(Duration::from_millis(5));
        let backend = bed.store().read::<_, StoreError>(&scope, |tx| int(tx, BACKEND, &[]));
        seen.insert(backend.unwrap());
    }
    assert!(seen.len() < 10, "{} connections for 20 reads", seen.len());
}

#[test]
fn postgres_survives_a_restart_of_its_connections() {
    let bed = Bed::postgres();
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let mut superuser = Session::connect(&database(&bed).superuser_url());
    let end_all = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'",
        database(&bed).name()
    );
    superuser.run(&end_all);
    pause(Duration::from_millis(50));
    // Nothing was asked of the database yet, so a fresh connection serves and nobody notices.
    bed.store().write("test", &scope, |tx| add_agent(tx, "a")).unwrap();
    let mut ended = false;
    let broken = bed.store().write("test", &scope, |tx| {
        add_agent(tx, "b")?;
        superuser.run(&end_all);
        ended = true;
        add_agent(tx, "c")
    });
    assert!(ended);
    let error = broken.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_) | StoreError::Failed(_)), "{error:?}");
    let unknown = bed.store().write("test", &scope, |tx| {
        add_agent(tx, "d")?;
        superuser.run(&end_all);
        pause(Duration::from_millis(50));
        Ok(())
    });
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{unknown:?}");
    assert_eq!(bed.agents(&organization), 1);
}

#[test]
fn postgres_runs_a_deadlocked_transaction_again() {
    const RENAME: &str = "UPDATE agents SET name = ?3 WHERE organization_id = ?1 AND agent_id = ?2";
    let bed = Bed::postgres();
    let scope = Scope::Org(bed.organization());
    bed.store()
        .write("test", &scope, |tx| {
            add_agent(tx, "a")?;
            add_agent(tx, "b")
        })
        .unwrap();
    let both_hold_one = Barrier::new(2);
    let runs = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|threads| {
        for (first, second) in [("a", "b"), ("b", "a")] {
            let (bed, scope, both_hold_one, runs) = (&bed, &scope, &both_hold_one, &runs);
            threads.spawn(move || {
                let mut attempt = 0;
                bed.store()
                    .write("test", scope, |tx| {
                        attempt += 1;
                        runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        tx.execute(RENAME, &[Value::Text(first), Value::Text(second)])?;
                        if attempt == 1 {
                            both_hold_one.wait();
                        }
                        tx.execute(RENAME, &[Value::Text(second), Value::Text(second)])
                    })
                    .unwrap();
            });
        }
    });
    // On a busy machine the server may find both guilty.
    assert!(runs.into_inner() >= 3, "one of the two ran again");
}

#[test]
fn postgres_gives_up_on_a_transaction_that_is_never_serializable() {
    const RAISE: &str =
        "SELECT set_config('app.x', ?1, true), 1 / (SELECT 0 FROM refuse_to_serialize())";
    let bed = Bed::postgres();
    let scope = Scope::Org(bed.organization());
    bed.place
        .raw(
            "CREATE FUNCTION refuse_to_serialize() RETURNS int LANGUAGE plpgsql AS \
        $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$",
        )
        .unwrap();
    let mut runs = 0;
    let given_up = bed.store().write::<(), StoreError>("test", &scope, |tx| {
        runs += 1;
        // A failure that a closure passes over is still one.
        let _ = tx.execute(RAISE, &[]);
        Ok(())
    });
    assert_eq!(given_up, Err(StoreError::Busy));
    assert_eq!(runs, agentidp_core::base::limits::TX_ATTEMPTS_MAX);
}

#[test]
fn postgres_connections_are_set_up_as_documented() {
    const SETTING: &str = "SELECT current_setting(?1)";
    let bed = Bed::postgres();
    let name = database(&bed).name().to_owned();
    bed.place.raw(&format!("ALTER ROLE {name} SET synchronous_commit = off")).unwrap();
    let store = bed.place.open().unwrap();
    for (setting, expected) in [
        ("application_name", "agentidp"),
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("synchronous_commit", "on"),
    ] {
        let found = (*store).read::<_, StoreError>(&Scope::Instance, |tx| {
            texts(tx, SETTING, &[Value::Text(setting)])
        });
        assert_eq!(found, Ok(vec![expected.to_owned()]), "{setting}");
    }
}

#[test]
fn postgres_numbers_what_a_closing_store_leaves() {
    const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
        VALUES (?1, 0, ?2, ?3)";
    const APPEND: &str =
        "INSERT INTO audit_pending (organization_id, event_id, entry) VALUES (?1, 'e', '{}')";
    let bed = Bed::postgres();
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let store: Arc<dyn Store> = bed.place.open().unwrap();
    store
        .write::<_, StoreError>("test", &scope, |tx| {
            tx.execute(OPEN_LOG, &[Value::Blob(&[0; 32]), Value::Blob(&[])])?;
            tx.execute(APPEND, &[])
        })
        .unwrap();
    drop(store);
    let mut superuser = Session::connect(&database(&bed).superuser_url());
    assert_eq!(superuser.run("SELECT count(*) FROM audit_logs")[0][0].as_deref(), Some("1"));
    // A process that dies between its commit and its run leaves an entry to whoever looks next.
    superuser.run(&format!("INSERT INTO audit_pending VALUES ('{organization}', 'f', '{{}}')"));
    for _ in 0..200 {
        if superuser.run("SELECT count(*) FROM audit_logs")[0][0].as_deref() == Some("2") {
            assert_eq!(bed.agents(&organization), 0);
            return;
        }
        pause(Duration::from_millis(20));
    }
    panic!("nobody numbered the entry");
}

/// The table of what waits for a number is empty whenever somebody counts its rows. What is planned by
/// that count joined a backlog with itself, until the server ended the statement, each time anew.
#[test]
fn postgres_numbers_a_backlog_whatever_the_statistics_say() {
    const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
        VALUES (?1, 0, ?2, ?3)";
    const WAITING: u32 = 3_000;
    let bed = Bed::postgres();
    let organizations = [bed.organization(), bed.organization()];
    let store: Arc<dyn Store> = bed.place.open().unwrap();
    for organization in &organizations {
        let head = [Value::Blob(&[0; 32]), Value::Blob(&[])];
        let scope = Scope::Org(organization.clone());
        store.write::<_, StoreError>("test", &scope, |tx| tx.execute(OPEN_LOG, &head)).unwrap();
    }
    let mut superuser = Session::connect(&database(&bed).superuser_url());
    let fill = |session: &mut Session| {
        for organization in &organizations {
            session.run(&format!(
                "INSERT INTO audit_pending SELECT '{organization}', 'e' || n, '{{}}'
                FROM generate_series(1, {WAITING}) n"
            ));
        }
    };
    superuser.run("SELECT pg_advisory_lock(4702111234474983746)");
    superuser.run("ALTER TABLE audit_pending SET (autovacuum_enabled = off)");
    fill(&mut superuser);
    superuser.run("DELETE FROM audit_pending");
    superuser.run("VACUUM (TRUNCATE off, ANALYZE) audit_pending");
    fill(&mut superuser);
    let whole_reads = |session: &mut Session, deleted: u32| {
        for _ in 0..200 {
            let found = session.run(
                "SELECT n_tup_del, seq_scan FROM pg_stat_user_tables WHERE relname = 'audit_pending'",
            );
            if found[0][0] == Some(deleted.to_string()) {
                return found[0][1].clone();
            }
            pause(Duration::from_millis(20));
        }
        panic!("the server never told of {deleted} rows");
    };
    let before = whole_reads(&mut superuser, 2 * WAITING);
    superuser.run("SELECT pg_advisory_unlock(4702111234474983746)");
    store.settle().unwrap();
    let numbered = superuser.run("SELECT count(*) FROM audit_logs");
    assert_eq!(numbered[0][0], Some((2 * WAITING).to_string()));
    // A session counts for others when it ends.
    drop(store);
    assert_eq!(whole_reads(&mut superuser, 4 * WAITING), before);
}

#[test]
fn postgres_pages_use_the_order_of_bytes_by_schema() {
    let bed = Bed::postgres();
    let mut superuser = Session::connect(&database(&bed).superuser_url());
    let loose = superuser.run(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
         JOIN pg_collation k ON k.oid = a.attcollation
         WHERE c.relkind = 'r' AND k.collname <> 'C' AND c.relname <> 'schema_migrations'",
    );
    assert_eq!(loose, Vec::<Vec<Option<String>>>::new());
}
