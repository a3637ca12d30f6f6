//! Deliveries are written where a subscription matches at the commit, and nowhere else.

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{NewAgent, OrgId};
use agentidp_testkit::TestIdp;

use super::Engine;

super::on_every_engine!(
    a_matching_subscription_gets_one_delivery_for_each_event,
    a_subscription_made_after_a_client_was_cached_is_honoured,
);

const SUBSCRIBE: &str = "INSERT INTO subscriptions
        (organization_id, subscription_id, active, created_at) VALUES (?1, ?2, 1, 0)";
const SUBSCRIBE_TO: &str = "INSERT INTO subscription_events
        (organization_id, subscription_id, event_type) VALUES (?1, ?2, ?3)";
// Whoever changes an organization's subscriptions counts it as a change of the organization, so that
// clients kept warm are read again.
const COUNT_CHANGE: &str =
    "UPDATE organizations SET version = version + 1 WHERE organization_id = ?1";
const DELIVERIES: &str = "SELECT COUNT(*) FROM outbox WHERE organization_id = ?1";
const PAYLOADS: &str =
    "SELECT payload FROM outbox WHERE organization_id = ?1 ORDER BY event_id, subscription_id";

/// Subscriptions come with their issue; until then a test makes the rows.
pub(super) fn subscribe(test: &TestIdp, organization: &OrgId, event: &str) {
    let store: &dyn Store = &*test.store;
    let id = format!("subscription to {event}");
    let write =
        store.write::<_, StoreError>("subscribe", &Scope::Org(organization.clone()), |tx| {
            tx.execute(SUBSCRIBE, &[Value::Text(&id)])?;
            tx.execute(SUBSCRIBE_TO, &[Value::Text(&id), Value::Text(event)])?;
            tx.execute(COUNT_CHANGE, &[])
        });
    write.unwrap();
}

pub(super) fn deliveries(test: &TestIdp, organization: &OrgId) -> i64 {
    let store: &dyn Store = &*test.store;
    let mut count = 0;
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(DELIVERIES, &[], &mut |row| {
            count = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    count
}

fn a_matching_subscription_gets_one_delivery_for_each_event(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    subscribe(&test, &acme.org.id, "agent.created");
    subscribe(&test, &acme.org.id, "token.issued");
    for org in [&acme.org.id, &globex.org.id] {
        test.idp.org(org).register_agent(NewAgent::new("a \"name\"\n").owner("x")).unwrap_err();
        test.idp.org(org).register_agent(NewAgent::new("personal name").owner("Ada")).unwrap();
    }
    test.idp.token(&acme.request()).unwrap();
    test.idp.token(&acme.request().scope("nope")).unwrap_err();
    assert_eq!(deliveries(&test, &acme.org.id), 2);
    assert_eq!(deliveries(&test, &globex.org.id), 0);
    let store: &dyn Store = &*test.store;
    let read = store.read::<_, StoreError>(&Scope::Org(acme.org.id.clone()), |tx| {
        tx.query(PAYLOADS, &[], &mut |row| {
            let payload: serde_json::Value = serde_json::from_str(row.text(0)?).unwrap();
            assert_eq!(payload["data"]["organizationId"], acme.org.id.as_str());
            assert!(payload["type"].is_string() && payload["timestamp"].is_string());
            assert!(!row.text(0)?.contains("personal") && !row.text(0)?.contains("Ada"));
            assert!(!row.text(0)?.contains("aidp_"));
            Ok(())
        })
    });
    read.unwrap();
    test.finish();
}

fn a_subscription_made_after_a_client_was_cached_is_honoured(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();
    subscribe(&test, &acme.org.id, "token.issued");
    test.idp.token(&acme.request()).unwrap();
    assert_eq!(deliveries(&test, &acme.org.id), 1);
    test.finish();
}
