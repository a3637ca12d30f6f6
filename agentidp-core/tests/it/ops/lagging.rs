//! Heads of logs and counts of months that lag behind: whoever reads them is told the same as if they did
//! not.

use agentidp_core::base::limits::HEAD_LAG_MAX;
use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{ErrorCode, Idp, NewAgent, OrgChanges, OrgId};
use agentidp_testkit::{Tenant, TestIdp};

use super::Engine;
use super::on_every_engine;

on_every_engine!(
    what_lies_beyond_a_head_is_counted_and_verified,
    another_process_goes_on_where_the_log_ends,
    processes_by_turns_exhaust_a_quota_exactly,
    what_is_no_token_brings_the_head_along,
    a_closed_instance_leaves_nothing_beyond_a_head,
);

const SIZE: &str = "SELECT size FROM audit_heads WHERE organization_id = ?1";
const ENTRIES: &str = "SELECT COUNT(*) FROM audit_logs WHERE organization_id = ?1";

fn number(store: &dyn Store, organization: &OrgId, sql: &'static str) -> i64 {
    let mut number = 0;
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(sql, &[], &mut |row| {
            number = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    number
}

/// By how many entries the log goes on beyond its head.
fn lag(test: &TestIdp, organization: &OrgId) -> i64 {
    number(&*test.store, organization, ENTRIES) - number(&*test.store, organization, SIZE)
}

/// Whether heads lag behind on this engine; elsewhere entries wait for their numbers instead.
fn lags(engine: Engine) -> bool {
    matches!(engine, Engine::Memory | Engine::File)
}

fn issued(idp: &Idp, tenant: &Tenant) -> i64 {
    idp.org(&tenant.org.id).usage().unwrap().issued
}

fn what_lies_beyond_a_head_is_counted_and_verified(engine: Engine) {
    let (test, others) = engine.processes(1);
    let (acme, globex) = test.two_orgs();
    let mut lagged = 0;
    for round in 1..=40 {
        test.idp.token(&acme.request()).unwrap();
        if round % 8 == 0 {
            test.idp.token(&globex.request()).unwrap();
        }
        for idp in [&test.idp, &others[0]] {
            // Elsewhere what a process has set aside counts for the others.
            if lags(engine) {
                assert_eq!((issued(idp, &acme), issued(idp, &globex)), (round, round / 8));
                let footprint = idp.org(&acme.org.id).footprint().unwrap();
                assert_eq!(footprint.tokens_this_month, round);
            }
        }
        if lags(engine) {
            let lag = lag(&test, &acme.org.id);
            assert!((0..HEAD_LAG_MAX as i64).contains(&lag), "{lag}");
            lagged = lagged.max(lag);
            let report = others[0].org(&acme.org.id).verify_audit().unwrap();
            assert!(report.valid, "with {lag} entries beyond the head: {report:?}");
        }
    }
    assert!(!lags(engine) || lagged == HEAD_LAG_MAX as i64 - 1, "{lagged}");
    assert!(test.idp.org(&acme.org.id).verify_audit().unwrap().valid);
    assert_eq!(number(&*test.store, &acme.org.id, ENTRIES), 3 + 40);
    drop(others);
    test.finish();
}

fn another_process_goes_on_where_the_log_ends(engine: Engine) {
    let (test, others) = engine.processes(1);
    let (acme, globex) = test.two_orgs();
    let idps = [&test.idp, &others[0]];
    for round in 0..60 {
        // Now this one, now that one, now several times the same.
        let idp = idps[(round / 7 + round % 3) % 2];
        idp.token(&acme.request()).unwrap();
        if round % 9 == 0 {
            idps[round % 2].token(&globex.request()).unwrap();
        }
    }
    for tenant in [&acme, &globex] {
        assert!(others[0].org(&tenant.org.id).verify_audit().unwrap().valid);
        assert!(test.idp.org(&tenant.org.id).verify_audit().unwrap().valid);
    }
    assert_eq!(number(&*test.store, &acme.org.id, ENTRIES), 3 + 60);
    drop(others);
    test.finish();
}

fn processes_by_turns_exhaust_a_quota_exactly(engine: Engine) {
    const LIMIT: i64 = 45;
    let (test, others) = engine.processes(2);
    let (tenant, globex) = test.two_orgs();
    let limit = OrgChanges::default().max_tokens_per_month(LIMIT);
    test.idp.org(&tenant.org.id).update(limit).unwrap();
    let idps = [&test.idp, &others[0], &others[1]];
    let mut granted = 0;
    for round in 0..200 {
        let idp = idps[(round / 5) % 3];
        granted += i64::from(idp.token(&tenant.request()).is_ok());
    }
    if lags(engine) {
        assert_eq!(granted, LIMIT);
    }
    assert!(granted <= LIMIT);
    if lags(engine) {
        for idp in idps {
            let error = idp.token(&tenant.request()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::QuotaExceeded);
            assert_eq!(issued(idp, &tenant), LIMIT);
        }
    }
    test.idp.token(&globex.request()).unwrap();
    drop(others);
    test.finish();
}

fn what_is_no_token_brings_the_head_along(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    for tenant in [&acme, &globex] {
        (0..5).for_each(|_| drop(test.idp.token(&tenant.request()).unwrap()));
    }
    test.idp.org(&acme.org.id).register_agent(NewAgent::new("another")).unwrap();
    if lags(engine) {
        assert_eq!(lag(&test, &acme.org.id), 0);
        assert_eq!(lag(&test, &globex.org.id), 5);
    }
    test.finish();
}

fn a_closed_instance_leaves_nothing_beyond_a_head(engine: Engine) {
    let (test, others) = engine.processes(1);
    let (acme, globex) = test.two_orgs();
    for tenant in [&acme, &globex] {
        (0..9).for_each(|_| drop(others[0].token(&tenant.request()).unwrap()));
    }
    if matches!(engine, Engine::File) {
        assert_eq!(lag(&test, &acme.org.id), 8);
    }
    drop(others);
    let store: &dyn Store = &*test.store;
    store.settle().unwrap();
    for tenant in [&acme, &globex] {
        // In memory all handles have one store, which is still open.
        let left = if matches!(engine, Engine::Memory) { 9 } else { 0 };
        assert_eq!(lag(&test, &tenant.org.id), left);
        assert_eq!(issued(&test.idp, tenant), 9);
    }
    test.finish();
}

const FORGE: &str = "INSERT INTO audit_logs
        (organization_id, log_number, seq, event_id, entry, previous_hash, hash, counted_in)
    SELECT organization_id, log_number, seq + 1, 'forged', entry, hash, ?2, NULL
    FROM audit_logs WHERE organization_id = ?1 ORDER BY seq DESC LIMIT 1";

/// Where nothing is checked that lies beyond a head, whoever adds a row there has it linked into the log.
#[test]
fn an_entry_beyond_the_head_that_does_not_link_stops_its_own_log_alone() {
    let (test, others) = Engine::File.processes(1);
    let (acme, globex) = test.two_orgs();
    (0..5).for_each(|_| drop(test.idp.token(&acme.request()).unwrap()));
    let store: &dyn Store = &*test.store;
    let forged = store.write::<_, StoreError>("forge", &Scope::Org(acme.org.id.clone()), |tx| {
        tx.execute(FORGE, &[Value::Blob(&[7; 32])])
    });
    assert_eq!(forged, Ok(1));
    for idp in [&test.idp, &others[0]] {
        let error = idp.token(&acme.request()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AuditBroken, "{error}");
        idp.token(&globex.request()).unwrap();
        assert!(idp.org(&globex.org.id).verify_audit().unwrap().valid);
    }
    let report = test.idp.org(&acme.org.id).verify_audit();
    assert!(report.is_err() || !report.unwrap().valid);
}
