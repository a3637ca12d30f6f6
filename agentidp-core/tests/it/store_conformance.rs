//! What every engine promises of its transactions: one suite, instantiated for each.

mod alone;
pub(crate) mod engines;
mod plans;
#[cfg(feature = "postgres")]
mod postgres_alone;
mod statements;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use agentidp_core::base::{Month, Timestamp};
use agentidp_core::store::{Kind, Scope, StoreError, Tx, Value};
use agentidp_testkit::{Fault, FaultStore};

use engines::{Bed, Place, add_agent, int, on_every_engine, texts};

on_every_engine! {
    what_a_closure_writes_it_reads_and_a_commit_keeps,
    an_error_leaves_nothing,
    a_panic_leaves_nothing_and_does_not_poison,
    a_failure_that_is_passed_over_does_not_commit,
    who_went_on_is_told_the_outcome_once,
    values_round_trip,
    pages_come_in_the_order_of_bytes,
    conflicts_are_asked_for,
    constraints_are_told_apart,
    the_number_of_parameters_must_fit,
    a_reading_transaction_cannot_write,
    concurrent_writers_all_commit_and_their_errors_are_their_own,
    a_read_sees_one_state,
    a_large_transaction_has_all_its_entries_numbered,
    what_is_undone_is_neither_numbered_nor_counted,
    what_a_query_wrote_is_undone_as_well,
    a_state_is_over_when_something_is_written,
    the_schema_is_made_once_and_foreign_ones_are_refused,
    an_empty_database_is_not_current,
    a_fault_store_fails_where_it_is_told_to,
    a_fault_store_counts_reads_apart_and_nothing_of_what_is_aside,
}

fn what_a_closure_writes_it_reads_and_a_commit_keeps(bed: &Bed) {
    let organization = bed.organization();
    let seen =
        bed.store().write::<_, StoreError>("test", &Scope::Org(organization.clone()), |tx| {
            add_agent(tx, "a")?;
            add_agent(tx, "b")?;
            int(tx, engines::COUNT_AGENTS, &[])
        });
    assert_eq!(seen, Ok(2));
    assert_eq!(bed.agents(&organization), 2);
}

#[derive(Debug, PartialEq)]
enum TestError {
    Refused,
    Store(StoreError),
}

impl From<StoreError> for TestError {
    fn from(error: StoreError) -> TestError {
        TestError::Store(error)
    }
}

fn an_error_leaves_nothing(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let refused = bed.store().write("test", &scope, |tx| {
        add_agent(tx, "a")?;
        Err::<(), _>(TestError::Refused)
    });
    assert_eq!(refused, Err(TestError::Refused));
    assert_eq!(bed.agents(&organization), 0);
}

fn a_panic_leaves_nothing_and_does_not_poison(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        bed.store().write::<(), StoreError>("test", &scope, |tx| {
            add_agent(tx, "a")?;
            panic!("a closure's own fault")
        })
    }));
    let payload = panicked.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"a closure's own fault"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        bed.store().read::<(), StoreError>(&scope, |_| panic!("a reader's fault"))
    }));
    assert!(panicked.is_err());
    assert_eq!(bed.agents(&organization), 0);
    bed.store().write("test", &scope, |tx| add_agent(tx, "a")).unwrap();
    assert_eq!(bed.agents(&organization), 1);
}

fn a_failure_that_is_passed_over_does_not_commit(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let committed = bed.store().write::<_, StoreError>("test", &scope, |tx| {
        add_agent(tx, "a")?;
        let again = add_agent(tx, "a");
        assert!(matches!(again, Err(StoreError::Constraint(_))), "{again:?}");
        // What follows answers the same.
        assert_eq!(add_agent(tx, "b"), again);
        Ok(())
    });
    assert!(matches!(committed, Err(StoreError::Constraint(_))), "{committed:?}");
    let owned = bed.store().write_owned::<_, StoreError>("test", &scope, |tx| {
        add_agent(tx, "a")?;
        let _ = add_agent(tx, "a");
        Ok(())
    });
    assert!(matches!(owned, Err(StoreError::Constraint(_))), "{owned:?}");
    assert_eq!(bed.agents(&organization), 0);
}

fn who_went_on_is_told_the_outcome_once(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let (told, outcomes) = mpsc::channel();
    let submit = |name: &'static str, end: fn() -> Result<(), TestError>| {
        let told = told.clone();
        let work = move |tx: &mut dyn agentidp_core::store::Tx| {
            add_agent(tx, name)?;
            end()
        };
        bed.store()
            .submit("test", &scope, work, move |outcome| told.send((name, outcome)).unwrap());
    };
    submit("kept", || Ok(()));
    submit("refused", || Err(TestError::Refused));
    let mut expected = vec![("kept", Ok(())), ("refused", Err(TestError::Refused))];
    // Where the caller waits after all, it is the caller that panics.
    if bed.store().submits() {
        submit("panicked", || panic!("a closure's own fault"));
        let panicked = StoreError::Failed("the closure panicked".to_owned());
        expected.push(("panicked", Err(TestError::Store(panicked))));
    }
    submit("kept as well", || Ok(()));
    expected.push(("kept as well", Ok(())));
    let wait = Duration::from_secs(30);
    let mut outcomes: Vec<_> =
        expected.iter().map(|_| outcomes.recv_timeout(wait).unwrap()).collect();
    outcomes.sort_by_key(|(name, _)| expected.iter().position(|(other, _)| name == other));
    assert_eq!(outcomes, expected);
    assert_eq!(bed.agents(&organization), 2);
}

fn values_round_trip(bed: &Bed) {
    const SELECT: &str = "SELECT name, description, created_at FROM agents
        WHERE organization_id = ?1 AND agent_id = ?2";
    const INSERT_PEPPER: &str =
        "INSERT INTO peppers (version, sealed_pepper, created_at) SELECT ?2, ?3, ?4 WHERE ?1 <> ''";
    const SELECT_PEPPER: &str = "SELECT sealed_pepper FROM peppers WHERE version = ?1";
    let scope = Scope::Org(bed.organization());
    let long = "\u{1f980}".repeat(20_000);
    let names =
        ["", "a", "'; DROP TABLE agents; --", "?1 $1 \\ \" % _", "\u{e9}e\u{301}\u{202e}", &long];
    let ints = [0, 1, -1, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1];
    for (at, name) in names.into_iter().enumerate() {
        let description = (at % 2 == 0).then_some(name);
        let at_time = ints[at];
        let params = [
            Value::Text(name),
            Value::Text(name),
            Value::text_or_null(description),
            Value::Int(at_time),
        ];
        bed.store().write("test", &scope, |tx| tx.execute(engines::INSERT_AGENT, &params)).unwrap();
        bed.store()
            .read::<_, StoreError>(&scope, |tx| {
                tx.query(SELECT, &[Value::Text(name)], &mut |row| {
                    assert_eq!(row.text(0)?, name);
                    assert_eq!(row.is_null(1)?, description.is_none());
                    assert_eq!(row.text(1).ok(), description);
                    assert_eq!(row.int(2)?, at_time);
                    // Another kind, and a column that is not there, are errors and no guesses.
                    assert_eq!(row.int(0), Err(StoreError::Unreadable { column: 0 }));
                    assert_eq!(row.text(2), Err(StoreError::Unreadable { column: 2 }));
                    assert_eq!(row.blob(0), Err(StoreError::Unreadable { column: 0 }));
                    assert!(row.is_null(3).is_err());
                    Ok(())
                })
            })
            .unwrap();
    }
    let blobs = [vec![], vec![0], (0..=255).collect::<Vec<u8>>(), vec![0xff; 1 << 20]];
    for (version, blob) in ints.into_iter().zip(&blobs) {
        let params = [Value::Int(version), Value::Blob(blob), Value::Int(0)];
        // The instance's own tables are written by the `system` organization and nobody else.
        let refused = bed.store().write("test", &scope, |tx| tx.execute(INSERT_PEPPER, &params));
        assert_eq!(refused, Err(StoreError::TenantWall));
        let system = Scope::Org(agentidp_core::OrgId::system());
        bed.store().write("test", &system, |tx| tx.execute(INSERT_PEPPER, &params)).unwrap();
        bed.store()
            .read::<_, StoreError>(&Scope::Instance, |tx| {
                tx.query(SELECT_PEPPER, &params[..1], &mut |row| {
                    assert_eq!(row.blob(0)?, blob);
                    Ok(())
                })
            })
            .unwrap();
    }
    let null = [Value::Int(9), Value::Null(Kind::Blob), Value::Null(Kind::Int)];
    let refused = bed.store().write("test", &Scope::Org(agentidp_core::OrgId::system()), |tx| {
        tx.execute(INSERT_PEPPER, &null)
    });
    assert!(matches!(refused, Err(StoreError::Constraint(_))), "{refused:?}");
}

fn pages_come_in_the_order_of_bytes(bed: &Bed) {
    const PAGE: &str = "SELECT agent_id FROM agents
        WHERE organization_id = ?1 AND agent_id > ?2 ORDER BY agent_id LIMIT ?3";
    let scope = Scope::Org(bed.organization());
    let mut ids = [
        "b",
        "B",
        "a",
        "A",
        "_",
        "-",
        "\u{e4}",
        "z",
        "Z",
        "\u{df}",
        "\u{1f980}",
        "\u{ffff}",
        "10",
        "9",
        "a b",
    ];
    bed.store()
        .write("test", &scope, |tx| ids.iter().try_for_each(|id| add_agent(tx, id)))
        .unwrap();
    let mut listed: Vec<String> = Vec::new();
    loop {
        let after = listed.last().cloned().unwrap_or_default();
        let page = bed
            .store()
            .read::<_, StoreError>(&scope, |tx| {
                texts(tx, PAGE, &[Value::Text(&after), Value::Int(2)])
            })
            .unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    ids.sort_unstable();
    assert_eq!(listed, ids);
}

fn conflicts_are_asked_for(bed: &Bed) {
    const CLAIM: &str =
        "INSERT INTO directory (kind, public_id, organization_id) VALUES ('slug', ?2, ?1)
        ON CONFLICT (kind, public_id) DO NOTHING RETURNING organization_id";
    let (one, two) = (bed.organization(), bed.organization());
    let claim = |organization: &agentidp_core::OrgId| {
        bed.store().write::<_, StoreError>("test", &Scope::Org(organization.clone()), |tx| {
            texts(tx, CLAIM, &[Value::Text("acme")])
        })
    };
    assert_eq!(claim(&one), Ok(vec![one.to_string()]));
    assert_eq!(claim(&one), Ok(vec![]));
    assert_eq!(claim(&two), Ok(vec![]), "another organization's is as taken as one's own");
}

fn constraints_are_told_apart(bed: &Bed) {
    const NO_SUCH_TABLE: &str = "SELECT 1 FROM no_such_table WHERE ?1 = ''";
    const NO_SUCH_AGENT: &str = "INSERT INTO agent_keys
            (organization_id, agent_id, kid, alg, custody, state, public_jwk, created_at)
        VALUES (?1, 'nobody', 'k', 'ES256', 'custodial', 'current', '{}', 0)";
    const NO_SUCH_STATUS: &str =
        "UPDATE organizations SET status = 'merry' WHERE organization_id = ?1";
    let scope = Scope::Org(bed.organization());
    for sql in [NO_SUCH_AGENT, NO_SUCH_STATUS] {
        let refused = bed.store().write("test", &scope, |tx| tx.execute(sql, &[]));
        assert!(matches!(refused, Err(StoreError::Constraint(_))), "{sql}: {refused:?}");
    }
    let failed = bed.store().write("test", &scope, |tx| tx.execute(NO_SUCH_TABLE, &[]));
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
}

fn the_number_of_parameters_must_fit(bed: &Bed) {
    let scope = Scope::Org(bed.organization());
    let cases: [(&'static str, &[Value<'_>]); 3] = [
        ("SELECT 1", &[]),
        ("SELECT count(*) FROM agents WHERE organization_id = ?1", &[Value::Int(1)]),
        ("SELECT count(*) FROM agents WHERE organization_id = ?1 AND agent_id = ?2", &[]),
    ];
    for (sql, params) in cases {
        let refused = bed.store().read::<_, StoreError>(&scope, |tx| int(tx, sql, params));
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{sql}: {refused:?}");
    }
    let one = bed.store().read::<_, StoreError>(&Scope::Instance, |tx| int(tx, "SELECT 1", &[]));
    assert_eq!(one, Ok(1));
}

fn a_reading_transaction_cannot_write(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    assert!(bed.store().read(&scope, |tx| add_agent(tx, "a")).is_err());
    assert_eq!(bed.agents(&organization), 0);
}

fn concurrent_writers_all_commit_and_their_errors_are_their_own(bed: &Bed) {
    const THREADS: usize = 64;
    const WRITES: usize = 50;
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let scope = &scope;
            threads.spawn(move || {
                for write in 0..WRITES {
                    let id = format!("{thread}-{write}");
                    let fails = write % 10 == 9;
                    let done = bed.store().write("test", scope, |tx| {
                        add_agent(tx, &id)?;
                        if fails { Err(TestError::Refused) } else { Ok(()) }
                    });
                    assert_eq!(done, if fails { Err(TestError::Refused) } else { Ok(()) });
                }
            });
        }
    });
    assert_eq!(bed.agents(&organization), (THREADS * WRITES * 9 / 10) as i64);
}

fn a_read_sees_one_state(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let patience = Duration::from_millis(match bed.place {
        // The engine in memory lets nobody write while somebody reads.
        Place::Memory => 50,
        _ => 5000,
    });
    std::thread::scope(|threads| {
        let (written, write) = mpsc::channel();
        let counts = bed.store().read::<_, StoreError>(&scope, |tx| {
            let before = int(tx, engines::COUNT_AGENTS, &[])?;
            let (scope, written) = (scope.clone(), written.clone());
            threads.spawn(move || {
                bed.store().write("test", &scope, |tx| add_agent(tx, "a")).unwrap();
                let _ = written.send(());
            });
            let waited = write.recv_timeout(patience);
            assert_eq!(waited.is_ok(), !matches!(bed.place, Place::Memory));
            Ok((before, int(tx, engines::COUNT_AGENTS, &[])?))
        });
        assert_eq!(counts, Ok((0, 0)));
    });
    assert_eq!(bed.agents(&organization), 1);
}

/// Where an engine tells states apart: PostgreSQL, where others write beside us, knows of none.
fn a_state_is_over_when_something_is_written(bed: &Bed) {
    let scope = Scope::Org(bed.organization());
    let epoch = |work: fn(&mut dyn Tx) -> Result<(), StoreError>, keeps: bool| {
        let mut seen = None;
        let _ = bed.store().write::<_, TestError>("test", &scope, |tx| {
            let before = tx.epoch();
            assert!(before.is_none() || tx.writes_alone());
            work(tx)?;
            seen = Some((before, tx.epoch()));
            if keeps { Ok(()) } else { Err(TestError::Refused) }
        });
        seen.unwrap()
    };
    let read: fn(&mut dyn Tx) -> _ = |tx| int(tx, engines::COUNT_AGENTS, &[]).map(|_| ());
    let (first, after) = epoch(read, true);
    assert_eq!(first, after, "nothing was written");
    let write: fn(&mut dyn Tx) -> _ = |tx| add_agent(tx, "a");
    assert_eq!(epoch(write, true), (first, None), "a change under way may yet be undone");
    let (second, _) = epoch(read, true);
    let another: fn(&mut dyn Tx) -> _ = |tx| add_agent(tx, "b");
    assert_eq!(epoch(another, false), (second, None));
    let (third, _) = epoch(read, true);
    for (before, after) in [(first, second), (second, third)] {
        assert!(before.is_none() || before != after, "{before:?} {after:?}");
    }
}

fn a_large_transaction_has_all_its_entries_numbered(bed: &Bed) {
    const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
        VALUES (?1, 0, ?2, ?3)";
    let scope = Scope::Org(bed.organization());
    bed.store()
        .write::<_, StoreError>("test", &scope, |tx| {
            tx.execute(OPEN_LOG, &[Value::Blob(&[0; 32]), Value::Blob(&[])])?;
            for at in 0..2500 {
                tx.append_entry(&format!("{at:05}"), "{}")?;
            }
            Ok(())
        })
        .unwrap();
    bed.store().settle().unwrap();
    let counts = bed.store().read::<_, StoreError>(&scope, |tx| {
        let pending =
            int(tx, "SELECT count(*) FROM audit_pending WHERE organization_id = ?1", &[])?;
        let last = int(tx, "SELECT max(seq) FROM audit_logs WHERE organization_id = ?1", &[])?;
        Ok((pending, last))
    });
    assert_eq!(counts, Ok((0, 2499)));
}

/// Entries and counts that an engine may keep in memory until the commit are the transaction's, and those
/// of its organization.
fn what_is_undone_is_neither_numbered_nor_counted(bed: &Bed) {
    const OPEN_LOG: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
        VALUES (?1, 0, ?2, ?3)";
    const ENTRIES: &str = "SELECT event_id FROM audit_logs WHERE organization_id = ?1 ORDER BY seq";
    // Those that entries beyond the head count are not in the row.
    const ISSUED: &str = "SELECT COALESCE(
            (SELECT issued FROM token_usage WHERE organization_id = ?1 AND month = ?2), 0)
        + (SELECT COUNT(*) FROM audit_logs l
            WHERE l.log_number = h.log_number AND l.seq >= h.size AND l.counted_in = ?2)
        FROM audit_heads h WHERE h.organization_id = ?1";
    const LIMIT: i64 = 10;
    let month = Month::of(Timestamp::from_micros(0));
    let [own, other] = [(); 2].map(|()| Scope::Org(bed.organization()));
    for scope in [&own, &other] {
        bed.store()
            .write::<_, StoreError>("open", scope, |tx| {
                tx.execute(OPEN_LOG, &[Value::Blob(&[0; 32]), Value::Blob(&[])])
            })
            .unwrap();
    }
    let issue = |scope: &Scope, event: &str, count: i64, then: Result<(), StoreError>| {
        bed.store().write("issue", scope, |tx| {
            tx.append_entry(event, "{}")?;
            let fits = tx.count_tokens(month, count, LIMIT)?;
            // Twice in one transaction, to be undone twice.
            let fits = fits && tx.count_tokens(month, 1, LIMIT)?;
            then.clone().map(|()| fits)
        })
    };
    let refused = Err(StoreError::NotRun);
    assert_eq!(issue(&own, "a", 3, Ok(())), Ok(true));
    assert_eq!(issue(&own, "b", 5, refused.clone()), Err(StoreError::NotRun));
    assert_eq!(issue(&other, "c", 8, refused), Err(StoreError::NotRun));
    assert_eq!(issue(&own, "d", 5, Ok(())), Ok(true), "what was undone is free again");
    assert_eq!(issue(&own, "e", 1, Ok(())), Ok(false), "that was the last");
    assert_eq!(issue(&other, "f", 8, Ok(())), Ok(true), "the other has a month of its own");
    bed.store().settle().unwrap();
    for (scope, entries, issued) in [(&own, vec!["a", "d", "e"], 10), (&other, vec!["f"], 9)] {
        let found = bed.store().read::<_, StoreError>(scope, |tx| {
            Ok((texts(tx, ENTRIES, &[])?, int(tx, ISSUED, &[Value::Int(month.as_int())])?))
        });
        assert_eq!(found, Ok((entries.into_iter().map(str::to_owned).collect(), issued)));
    }
}

fn what_a_query_wrote_is_undone_as_well(bed: &Bed) {
    const RENAME: &str =
        "UPDATE organizations SET name = 'new' WHERE organization_id = ?1 RETURNING name";
    const NAME: &str = "SELECT name FROM organizations WHERE organization_id = ?1";
    let scope = Scope::Org(bed.organization());
    let undone = bed.store().write("test", &scope, |tx| {
        assert_eq!(texts(tx, RENAME, &[])?, ["new"]);
        Err::<(), _>(StoreError::NotRun)
    });
    assert_eq!(undone, Err(StoreError::NotRun));
    let name = bed.store().read::<_, StoreError>(&scope, |tx| texts(tx, NAME, &[]));
    assert_eq!(name, Ok(vec!["name".to_owned()]));
}

fn the_schema_is_made_once_and_foreign_ones_are_refused(bed: &Bed) {
    if matches!(bed.place, Place::Memory) {
        return;
    }
    let organization = bed.organization();
    assert!(bed.place.open().is_ok());
    assert!(bed.place.open_current().is_ok());
    let refusal = || (bed.place.open().err().unwrap(), bed.place.open_current().err().unwrap());
    let bytes = if matches!(bed.place, Place::File(_)) { "x'00'" } else { "'\\x00'" };
    let later = format!("INSERT INTO schema_migrations VALUES (1000, 'later', {bytes})");
    bed.place.raw(&later).unwrap();
    let (open, current) = refusal();
    assert!(matches!(open, StoreError::SchemaNewer { .. }), "{open:?}");
    assert_eq!(open, current);
    bed.place.raw("DELETE FROM schema_migrations WHERE name = 'later'").unwrap();
    assert!(bed.place.open().is_ok());
    let changed = format!("UPDATE schema_migrations SET checksum = {bytes} WHERE version = 1");
    bed.place.raw(&changed).unwrap();
    let (open, current) = refusal();
    assert_eq!(open, StoreError::SchemaChanged { version: 1 });
    assert_eq!(open, current);
    assert_eq!(bed.agents(&organization), 0, "the store that is open goes on");
}

fn an_empty_database_is_not_current(bed: &Bed) {
    let empty = match &bed.place {
        Place::Memory => return,
        Place::File(_) => Place::File(tempfile::tempdir().unwrap()),
        #[cfg(feature = "postgres")]
        Place::Server(_) => Place::Server(agentidp_testkit::TestDatabase::new()),
    };
    let outdated = |error| matches!(error, StoreError::SchemaOutdated { found: 0, known: 1.. });
    assert!(empty.open_current().is_err_and(outdated));
    assert!(empty.open_current().is_err_and(outdated), "checking makes nothing");
    assert!(empty.open().is_ok());
    assert!(empty.open_current().is_ok());
}

fn a_fault_store_fails_where_it_is_told_to(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let faulty = FaultStore::new(std::sync::Arc::clone(&bed.store));
    let store: &dyn agentidp_core::store::Store = &faulty;
    let add = |ids: [&str; 2]| {
        store.write("test", &scope, |tx| ids.iter().try_for_each(|id| add_agent(tx, id)))
    };
    let mut statements = 0;
    loop {
        faulty.arm(Fault::Statement(statements));
        let ids = [format!("{statements}a"), format!("{statements}b")];
        let done = add([&ids[0], &ids[1]]);
        if !faulty.disarm() {
            assert_eq!(done, Ok(()));
            break;
        }
        assert_eq!(done, Err(StoreError::Injected));
        assert_eq!(bed.agents(&organization), 0);
        statements += 1;
    }
    assert_eq!((statements, bed.agents(&organization)), (2, 2));
    faulty.arm(Fault::BeforeCommit(0));
    assert_eq!(add(["c", "d"]), Err(StoreError::Injected));
    assert!(faulty.disarm());
    assert_eq!(bed.agents(&organization), 2);
    faulty.arm(Fault::AfterCommit(1));
    assert_eq!(add(["c", "d"]), Ok(()));
    assert!(matches!(add(["e", "f"]), Err(StoreError::OutcomeUnknown(_))));
    assert!(faulty.disarm());
    assert_eq!(bed.agents(&organization), 6);
    assert_eq!(add(["g", "h"]), Ok(()));
}

fn a_fault_store_counts_reads_apart_and_nothing_of_what_is_aside(bed: &Bed) {
    let organization = bed.organization();
    let scope = Scope::Org(organization.clone());
    let faulty = FaultStore::new(std::sync::Arc::clone(&bed.store));
    let store: &dyn agentidp_core::store::Store = &faulty;
    let twice = || {
        store.read::<_, StoreError>(&scope, |tx| {
            int(tx, engines::COUNT_AGENTS, &[])?;
            int(tx, engines::COUNT_AGENTS, &[])
        })
    };
    let add = |id: &str| store.write("test", &scope, |tx| add_agent(tx, id));
    for (at, agents) in [(0, 1), (1, 2), (2, 3)] {
        faulty.arm(Fault::Read(at));
        assert_eq!(add(&format!("{at}")), Ok(()), "a statement that writes is none that reads");
        assert_eq!(faulty.aside(twice), Ok(agents));
        let expected = if at < 2 { Err(StoreError::Injected) } else { Ok(agents) };
        assert_eq!(twice(), expected);
        assert_eq!(faulty.disarm(), at < 2);
        assert_eq!(twice(), Ok(agents));
    }
    faulty.arm(Fault::Statement(0));
    assert_eq!(faulty.aside(|| add("aside")), Ok(()));
    assert_eq!(add("counted"), Err(StoreError::Injected));
    assert!(faulty.disarm());
}
