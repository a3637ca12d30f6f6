//! The check at the end of every test finds what it is there for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{OrgId, SystemClock, SystemRng};
use agentidp_testkit::TestIdp;

use super::Engine;

super::on_every_engine!(
    a_secret_in_a_column_of_text_is_found,
    a_secret_in_a_column_of_bytes_is_found,
    a_row_of_no_organization_is_found,
);

const SECRET: &str = "it's a secret";
const DESCRIBE: &str = "UPDATE agents SET description = ?2 WHERE organization_id = ?1";
const DISCLOSE: &str = "INSERT INTO audit_disclosures
        (organization_id, event_id, name, sealed_disclosure) VALUES (?1, 'e', 'n', ?2)";

/// Runs `sql` for `organization` and expects the check to say `told`. A database in memory is not
/// looked into.
fn finish_after(
    engine: Engine,
    test: TestIdp,
    organization: OrgId,
    (sql, value): (&'static str, Value<'_>),
    told: &str,
) {
    test.canary(SECRET);
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(organization);
    store.write::<_, StoreError>("test", &scope, |tx| tx.execute(sql, &[value])).unwrap();
    let finished = catch_unwind(AssertUnwindSafe(|| test.finish()));
    if engine == Engine::Memory {
        return finished.unwrap();
    }
    let panic = finished.unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains(told), "{said}");
}

fn a_secret_in_a_column_of_text_is_found(engine: Engine) {
    let test = engine.idp();
    let organization = test.tenant("acme").org.id;
    finish_after(
        engine,
        test,
        organization,
        (DESCRIBE, Value::Text(&format!("so {SECRET}!"))),
        "plain text",
    );
}

fn a_secret_in_a_column_of_bytes_is_found(engine: Engine) {
    let test = engine.idp();
    let organization = test.tenant("acme").org.id;
    finish_after(
        engine,
        test,
        organization,
        (DISCLOSE, Value::Blob(SECRET.as_bytes())),
        "plain text",
    );
}

fn a_row_of_no_organization_is_found(engine: Engine) {
    let test = engine.idp();
    let nobody = OrgId::generate(&SystemClock, &SystemRng).unwrap();
    finish_after(engine, test, nobody, (DISCLOSE, Value::Blob(b"sealed")), "audit_disclosures");
}
