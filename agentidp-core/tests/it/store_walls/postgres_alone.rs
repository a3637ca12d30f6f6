//! Row security itself, seen from plain sessions of the role that the store uses.

use agentidp_core::store::{PostgresStore, Scope, StoreError};
use agentidp_testkit::{Session, TestDatabase};

use super::two_organizations;
use crate::store_conformance::engines::{Bed, Place, int};

const COUNT: &str = "SELECT count(*) FROM agents";

fn database(bed: &Bed) -> &TestDatabase {
    match &bed.place {
        Place::Server(database) => database,
        _ => unreachable!(),
    }
}

fn count(session: &mut Session) -> Option<String> {
    session.run(COUNT)[0][0].clone()
}

#[test]
fn postgres_shows_nothing_without_a_scope() {
    let bed = Bed::postgres();
    let [one, _] = two_organizations(&bed);
    let mut session = Session::connect(&database(&bed).url());
    let insert = format!(
        "INSERT INTO subscriptions (organization_id, subscription_id, active, created_at)
         VALUES ('{one}', 's', 1, 0)"
    );
    let refused = |session: &mut Session| {
        let error = session.try_run(&insert).unwrap_err();
        assert!(error.starts_with("42501") && error.contains("row-level security"), "{error}");
    };
    // Never set.
    assert_eq!(count(&mut session).as_deref(), Some("0"));
    refused(&mut session);
    // Left empty by a transaction that had set it, as on a pooled connection.
    let scoped = format!("BEGIN; SELECT set_config('app.organization_id', '{one}', true)");
    session.run(&scoped);
    assert_eq!(count(&mut session).as_deref(), Some("1"));
    session.run("COMMIT");
    let left = session.run("SELECT current_setting('app.organization_id', true)");
    assert_eq!(left[0][0].as_deref(), Some(""), "not NULL any more");
    assert_eq!(count(&mut session).as_deref(), Some("0"));
    refused(&mut session);
    // A row that says it belongs to nobody is nobody's.
    let nobody = insert.replace(one.as_str(), "");
    assert!(session.try_run(&nobody).unwrap_err().starts_with("42501"));
    // SET LOCAL outside a transaction sets nothing.
    session.run(&format!("SET LOCAL app.organization_id = '{one}'"));
    assert_eq!(count(&mut session).as_deref(), Some("0"));
    for value in ["", "off", "ON", "true"] {
        session.run(&format!("BEGIN; SELECT set_config('app.instance', '{value}', true)"));
        assert_eq!(session.run("SELECT count(*) FROM directory")[0][0].as_deref(), Some("0"));
        session.run("ROLLBACK");
    }
}

#[test]
fn postgres_connections_do_not_carry_a_scope_over() {
    let bed = Bed::postgres();
    let both = two_organizations(&bed);
    for at in 0..40 {
        let own = &both[at % 2];
        let scope = Scope::Org(own.clone());
        let seen = |tx: &mut dyn agentidp_core::store::Tx| {
            int(tx, "SELECT count(*) FROM agents WHERE ?1 <> ''", &[])
        };
        assert_eq!(bed.store().read::<_, StoreError>(&scope, seen), Ok(1));
        assert_eq!(bed.store().write::<_, StoreError>("test", &scope, seen), Ok(1));
        let instance =
            bed.store().read::<_, StoreError>(&Scope::Instance, |tx| int(tx, COUNT, &[]));
        assert_eq!(instance, Ok(0));
    }
}

#[test]
fn postgres_refuses_roles_that_row_security_does_not_bind() {
    let database = TestDatabase::new();
    let mut superuser = Session::connect(&database.superuser_url());
    let bypass = format!("{}_bypass", database.name());
    superuser.run(&format!("CREATE ROLE {bypass} LOGIN BYPASSRLS PASSWORD '{bypass}'"));
    for url in [database.superuser_url(), database.url_as(&bypass)] {
        for opened in [PostgresStore::open(&url), PostgresStore::open_current(&url)] {
            let error = opened.unwrap_err();
            assert!(matches!(error, StoreError::RoleTooStrong { .. }), "{error:?}");
        }
    }
    let tables = superuser.run("SELECT relname FROM pg_class WHERE relname = 'schema_migrations'");
    assert!(tables.is_empty(), "nothing was done before the refusal");
    superuser.run(&format!("DROP ROLE {bypass}"));
    // A role that grows too strong later is refused from its next connection on.
    let store = PostgresStore::open(&database.url()).unwrap();
    drop(store);
    superuser.run(&format!("ALTER ROLE {} BYPASSRLS", database.name()));
    assert!(PostgresStore::open(&database.url()).is_err());
}

#[test]
fn postgres_walls_every_tenant_table_its_owner_included() {
    let bed = Bed::postgres();
    let mut superuser = Session::connect(&database(&bed).superuser_url());
    let open = superuser.run(
        "SELECT c.relname FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
         WHERE c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
    );
    assert_eq!(open, Vec::<Vec<Option<String>>>::new());
    let unchecked = superuser.run(
        "SELECT tablename, policyname FROM pg_policies
         WHERE schemaname = 'public' AND cmd NOT IN ('SELECT', 'DELETE') AND with_check IS NULL",
    );
    assert_eq!(unchecked, Vec::<Vec<Option<String>>>::new());
    assert!(superuser.try_run("TRUNCATE audit_logs").unwrap_err().contains("insert-only"));
}

#[test]
fn postgres_row_security_is_what_stops_the_statements() {
    // The control: without it the same statements reach everything, so it is this wall that held.
    let bed = Bed::postgres();
    let [one, two] = two_organizations(&bed);
    let everybody = "SELECT count(*) FROM agents WHERE ?1 <> ''";
    let scope = Scope::Org(one);
    let seen = || bed.store().read::<_, StoreError>(&scope, |tx| int(tx, everybody, &[]));
    assert_eq!(seen(), Ok(1));
    bed.place.raw("ALTER TABLE agents NO FORCE ROW LEVEL SECURITY").unwrap();
    assert_eq!(seen(), Ok(2), "and of {two}");
}
