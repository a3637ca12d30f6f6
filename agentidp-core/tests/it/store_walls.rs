//! The tenant walls, each with the others out of the way.
//!
//! 1 the text of a statement and the parameter that only the transaction binds; 2 the schema's
//! composite keys; 3 the engine: row security, or triggers and views; 4 the row reader's comparison,
//! which is private to the library and tested beside it.

#[cfg(feature = "postgres")]
mod postgres_alone;

use agentidp_core::OrgId;
use agentidp_core::base::{Month, Timestamp};
use agentidp_core::store::{Scope, StoreError, Tx, Value};

use crate::store_conformance::engines::{self, Bed, Place, add_agent, int, on_every_engine, texts};

on_every_engine! {
    a_read_without_its_organization_finds_only_its_own,
    a_write_without_its_organization_changes_no_foreign_row,
    a_row_cannot_be_put_into_another_organization,
    the_first_parameter_is_the_transaction_s,
    the_instance_scope_does_not_open_tenant_tables,
    a_reference_to_another_organization_cannot_exist,
    a_foreign_row_is_not_stolen_through_a_conflict,
    audit_logs_cannot_be_changed,
    nobody_takes_a_number_in_the_log_of_another,
}

/// Two organizations with an agent of the same id each.
pub(crate) fn two_organizations(bed: &Bed) -> [OrgId; 2] {
    let both = [bed.organization(), bed.organization()];
    for organization in &both {
        let scope = Scope::Org(organization.clone());
        bed.store().write("test", &scope, |tx| add_agent(tx, "agent")).unwrap();
    }
    both
}

fn write(
    bed: &Bed,
    scope: &Scope,
    sql: &'static str,
    params: &[Value<'_>],
) -> Result<u64, StoreError> {
    bed.store().write("test", scope, |tx| tx.execute(sql, params))
}

/// The name of an organization's agent, and whether the organization is where it was.
fn unchanged(bed: &Bed, organization: &OrgId) -> bool {
    const NAMES: &str = "SELECT name FROM agents WHERE organization_id = ?1";
    let scope = Scope::Org(organization.clone());
    bed.store().read::<_, StoreError>(&scope, |tx| texts(tx, NAMES, &[])).unwrap() == ["name"]
}

fn a_read_without_its_organization_finds_only_its_own(bed: &Bed) {
    const EVERYBODY: &str = "SELECT organization_id FROM agents WHERE ?1 <> ''";
    const JOINED: &str = "SELECT b.organization_id FROM agents a JOIN agents b
        ON a.agent_id = b.agent_id WHERE a.organization_id = ?1";
    for own in two_organizations(bed) {
        for sql in [EVERYBODY, JOINED] {
            let found = bed
                .store()
                .read::<_, StoreError>(&Scope::Org(own.clone()), |tx| texts(tx, sql, &[]))
                .unwrap();
            assert_eq!(found, [own.as_str()], "{sql}");
        }
    }
}

fn a_write_without_its_organization_changes_no_foreign_row(bed: &Bed) {
    const RENAME: &str = "UPDATE agents SET name = 'x' WHERE agent_id = ?2 AND ?1 <> ''";
    const REMOVE: &str = "DELETE FROM agents WHERE agent_id = ?2 AND ?1 <> ''";
    const RENAME_FOREIGN: &str =
        "UPDATE agents SET name = 'x' WHERE organization_id = ?2 AND ?1 <> ''";
    let [own, foreign] = two_organizations(bed);
    for sql in [RENAME, REMOVE] {
        match write(bed, &Scope::Org(own.clone()), sql, &[Value::Text("agent")]) {
            Ok(rows) => assert_eq!(rows, 1, "{sql}"),
            Err(error) => assert_eq!(error, StoreError::TenantWall, "{sql}"),
        }
        assert!(unchanged(bed, &foreign), "{sql}");
    }
    match write(bed, &Scope::Org(own), RENAME_FOREIGN, &[Value::Text(foreign.as_str())]) {
        Ok(rows) => assert_eq!(rows, 0),
        Err(error) => assert_eq!(error, StoreError::TenantWall),
    }
    assert!(unchanged(bed, &foreign));
}

fn a_row_cannot_be_put_into_another_organization(bed: &Bed) {
    const INSERT: &str = "INSERT INTO agents (organization_id, agent_id, did, name, scopes,
            audiences, status, version, created_at, updated_at)
        SELECT ?2, 'intruder', 'did', 'name', '', '', 'active', 1, 0, 0 WHERE ?1 <> ''";
    const MOVE: &str = "UPDATE agents SET organization_id = ?2, agent_id = 'moved'
        WHERE organization_id = ?1";
    const APPEND: &str = "INSERT INTO audit_pending (organization_id, event_id, entry)
        SELECT ?2, 'e', '{}' WHERE ?1 <> ''";
    let [own, foreign] = two_organizations(bed);
    for sql in [INSERT, MOVE, APPEND] {
        let refused = write(bed, &Scope::Org(own.clone()), sql, &[Value::Text(foreign.as_str())]);
        assert_eq!(refused, Err(StoreError::TenantWall), "{sql}");
    }
    assert!(unchanged(bed, &own) && unchanged(bed, &foreign));
}

fn the_first_parameter_is_the_transaction_s(bed: &Bed) {
    let [own, foreign] = two_organizations(bed);
    let count = |params: &[Value<'_>]| {
        bed.store().read::<_, StoreError>(&Scope::Org(own.clone()), |tx: &mut dyn Tx| {
            int(tx, engines::COUNT_AGENTS, params)
        })
    };
    assert_eq!(count(&[]), Ok(1));
    let passed = count(&[Value::Text(foreign.as_str())]);
    assert!(matches!(passed, Err(StoreError::Failed(_))), "{passed:?}");
}

fn the_instance_scope_does_not_open_tenant_tables(bed: &Bed) {
    const TABLES: [&str; 8] = [
        "SELECT count(*) FROM agents",
        "SELECT count(*) FROM agent_keys",
        "SELECT count(*) FROM credentials",
        "SELECT count(*) FROM data_keys",
        "SELECT count(*) FROM audit_disclosures",
        "SELECT count(*) FROM subscriptions",
        "SELECT count(*) FROM subscription_events",
        "SELECT count(*) FROM outbox",
    ];
    const INSERT: &str = "INSERT INTO agents (organization_id, agent_id, did, name, scopes,
            audiences, status, version, created_at, updated_at)
        VALUES (?1, 'intruder', 'did', 'name', '', '', 'active', 1, 0, 0)";
    let [one, _] = two_organizations(bed);
    write(bed, &Scope::Org(one.clone()), FILL_OUTBOX, &[]).unwrap();
    write(bed, &Scope::Org(one.clone()), FILL_CREDENTIALS, &[]).unwrap();
    for sql in TABLES {
        let count = bed.store().read::<_, StoreError>(&Scope::Instance, |tx| int(tx, sql, &[]));
        assert_eq!(count, Ok(0), "{sql}");
    }
    let refused = write(bed, &Scope::Instance, INSERT, &[Value::Text(one.as_str())]);
    assert_eq!(refused, Err(StoreError::TenantWall));
    let month = Month::of(Timestamp::from_micros(0));
    let store = bed.store();
    let appended: Result<_, StoreError> =
        store.write("test", &Scope::Instance, |tx| tx.append_entry("e", "{}"));
    let counted: Result<_, StoreError> =
        store.write("test", &Scope::Instance, |tx| tx.count_tokens(month, 1, 1));
    assert!(appended.is_err() && counted.is_err(), "{appended:?}, {counted:?}");
}

const FILL_OUTBOX: &str = "INSERT INTO outbox
        (organization_id, event_id, subscription_id, event_type, payload, created_at)
    VALUES (?1, 'e', 's', 't', '{}', 0)";

const FILL_CREDENTIALS: &str = "INSERT INTO credentials
        (organization_id, credential_id, agent_id, kind, status, created_at)
    VALUES (?1, 'c', 'agent', 'secret', 'active', 0)";

/// With row security, triggers and views out of the way: behind the store's back.
fn a_reference_to_another_organization_cannot_exist(bed: &Bed) {
    if matches!(bed.place, Place::Memory) {
        return;
    }
    let [one, two] = two_organizations(bed);
    let only_one_has = Scope::Org(one.clone());
    bed.store().write("test", &only_one_has, |tx| add_agent(tx, "lonely")).unwrap();
    let credential = |organization: &OrgId| {
        bed.place.raw(&format!(
            "INSERT INTO credentials (organization_id, credential_id, agent_id, kind, status, \
             created_at) VALUES ('{organization}', 'c', 'lonely', 'secret', 'active', 0)"
        ))
    };
    let key = |organization: &OrgId| {
        bed.place.raw(&format!(
            "INSERT INTO agent_keys (organization_id, agent_id, kid, alg, custody, state, \
             public_jwk, created_at) VALUES ('{organization}', 'lonely', 'k', 'ES256', \
             'custodial', 'current', '{{}}', 0)"
        ))
    };
    for refused in [credential(&two), key(&two)] {
        let error = refused.unwrap_err().to_lowercase();
        assert!(error.contains("foreign key"), "{error}");
    }
    credential(&one).unwrap();
    key(&one).unwrap();
}

fn a_foreign_row_is_not_stolen_through_a_conflict(bed: &Bed) {
    const CLAIM: &str =
        "INSERT INTO directory (kind, public_id, organization_id) VALUES ('slug', 'acme', ?1)";
    const STEAL: &str =
        "INSERT INTO directory (kind, public_id, organization_id) VALUES ('slug', 'acme', ?1)
        ON CONFLICT (kind, public_id) DO UPDATE SET organization_id = excluded.organization_id";
    const REPLACE: &str = "INSERT OR REPLACE INTO directory (kind, public_id, organization_id)
        VALUES ('slug', 'acme', ?1)";
    const OWNER: &str = "SELECT organization_id FROM directory WHERE public_id = 'acme'";
    let [owner, thief] = two_organizations(bed);
    write(bed, &Scope::Org(owner.clone()), CLAIM, &[]).unwrap();
    for sql in [STEAL, REPLACE] {
        // PostgreSQL does not know the second.
        assert!(write(bed, &Scope::Org(thief.clone()), sql, &[]).is_err(), "{sql}");
    }
    let found = bed.store().read::<_, StoreError>(&Scope::Instance, |tx| texts(tx, OWNER, &[]));
    assert_eq!(found, Ok(vec![owner.to_string()]));
}

/// Makes the empty log of the scope's organization, and tells its number.
fn open_log(bed: &Bed, scope: &Scope) -> i64 {
    const OPEN: &str = "INSERT INTO audit_heads (organization_id, size, hash, frontier)
        VALUES (?1, 0, ?2, ?3)";
    const NUMBER: &str = "SELECT log_number FROM audit_heads WHERE organization_id = ?1";
    let head = [Value::Blob(&[0; 32]), Value::Blob(&[])];
    assert_eq!(write(bed, scope, OPEN, &head), Ok(1));
    let number = bed.store().read::<_, StoreError>(scope, |tx| {
        let mut number = None;
        tx.query(NUMBER, &[], &mut |row| {
            number = Some(row.int(0)?);
            Ok(())
        })?;
        Ok(number.unwrap())
    });
    number.unwrap()
}

/// Whoever could would stop that log: its own next entry wants the same number.
fn nobody_takes_a_number_in_the_log_of_another(bed: &Bed) {
    const INSERT: &str = "INSERT INTO audit_logs
            (organization_id, log_number, seq, event_id, entry, previous_hash, hash)
        VALUES (?1, ?2, 0, 'e', '{}', ?3, ?3)";
    let [own, foreign] = two_organizations(bed).map(Scope::Org);
    let numbers = [open_log(bed, &own), open_log(bed, &foreign)];
    assert_ne!(numbers[0], numbers[1]);
    let insert =
        |scope, number| write(bed, scope, INSERT, &[Value::Int(number), Value::Blob(&[0; 32])]);
    assert_eq!(insert(&own, numbers[1]), Err(StoreError::TenantWall));
    assert_eq!(insert(&own, i64::MAX), Err(StoreError::TenantWall), "nor one in no log");
    assert_eq!(insert(&foreign, numbers[1]), Ok(1), "the number is free");
    assert_eq!(insert(&own, numbers[0]), Ok(1));
}

fn audit_logs_cannot_be_changed(bed: &Bed) {
    const INSERT: &str = "INSERT INTO audit_logs
            (organization_id, log_number, seq, event_id, entry, previous_hash, hash)
        SELECT ?1, h.log_number, 0, 'e', '{}', ?2, ?2 FROM audit_heads h WHERE h.organization_id = ?1";
    const REPLACE: &str = "INSERT OR REPLACE INTO audit_logs
            (organization_id, log_number, seq, event_id, entry, previous_hash, hash)
        SELECT ?1, h.log_number, 0, 'e', 'forged', ?2, ?2 FROM audit_heads h
        WHERE h.organization_id = ?1";
    const UPDATE: &str = "UPDATE audit_logs SET entry = 'forged' WHERE organization_id = ?1";
    const DELETE: &str = "DELETE FROM audit_logs WHERE organization_id = ?1";
    const ENTRIES: &str = "SELECT entry FROM audit_logs WHERE organization_id = ?1";
    let [own, _] = two_organizations(bed);
    let scope = Scope::Org(own);
    open_log(bed, &scope);
    assert_eq!(write(bed, &scope, INSERT, &[Value::Blob(&[0; 32])]), Ok(1));
    for (sql, params) in [(UPDATE, &[][..]), (DELETE, &[]), (REPLACE, &[Value::Blob(&[0; 32])])] {
        let refused = write(bed, &scope, sql, params);
        assert!(refused.is_err(), "{sql}");
        if sql != REPLACE {
            assert!(matches!(refused, Err(StoreError::Constraint(_))), "{sql}: {refused:?}");
        }
    }
    if !matches!(bed.place, Place::Memory) {
        for sql in ["UPDATE audit_logs SET entry = 'forged'", "DELETE FROM audit_logs"] {
            let error = bed.place.raw(sql).unwrap_err();
            assert!(error.contains("insert-only"), "{error}");
        }
    }
    let entries = bed.store().read::<_, StoreError>(&scope, |tx| texts(tx, ENTRIES, &[]));
    assert_eq!(entries, Ok(vec!["{}".to_owned()]));
}
