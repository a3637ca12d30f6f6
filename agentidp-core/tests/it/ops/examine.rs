//! What an examination finds, and that it changes nothing.

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{Clock, Config, Database, HealthCheck, HealthStatus, Idp, KekSource};
use agentidp_testkit::{Fault, TestIdp};

use super::Engine;

super::on_every_engine!(
    an_instance_in_order_is_healthy_and_left_as_it_is,
    one_broken_trail_is_named_and_the_others_are_verified,
    a_clock_behind_the_newest_entry_is_found,
    another_instance_and_another_key_are_found,
);

pub(super) fn config(test: &TestIdp) -> Config {
    Config::new(Database::Opened(test.store.clone()))
        .kek(KekSource::file(test.kek_path()))
        .clock(test.clock.clone())
}

fn examine(config: Config) -> Vec<HealthCheck> {
    Idp::examine(config, 100, &mut |_| {})
}

/// The names of those that are so.
fn those(checks: &[HealthCheck], status: HealthStatus) -> Vec<&'static str> {
    checks.iter().filter(|check| check.status == status).map(|check| check.name).collect()
}

fn an_instance_in_order_is_healthy_and_left_as_it_is(engine: Engine) {
    let test = engine.idp();
    let (acme, _globex) = test.two_orgs();
    test.idp.token(&acme.request()).unwrap();
    let before = test.trail(&acme.org.id);
    // A write of any kind would meet one of these.
    for fault in [Fault::Statement(0), Fault::BeforeCommit(0)] {
        test.store.arm(fault);
        let mut done = Vec::new();
        let checks = Idp::examine(config(&test), 2, &mut |trails| done.push(trails));
        assert!(!test.store.disarm());
        assert_eq!(those(&checks, HealthStatus::Ok).len(), checks.len(), "{checks:?}");
        assert_eq!(done, [1, 2], "as many as asked for");
        let audit = checks.iter().find(|check| check.name == "audit").unwrap();
        assert!(audit.hint.is_some(), "there is one more: {audit:?}");
    }
    let all = examine(config(&test));
    assert!(
        all.iter().any(|check| check.detail == "trails that verify: 3, with 8 entries"),
        "{all:?}"
    );
    assert_eq!(test.trail(&acme.org.id), before);
    test.finish();
}

pub(super) const MOVE_HEAD: &str =
    "UPDATE audit_heads SET size = size + ?2 WHERE organization_id = ?1";

fn one_broken_trail_is_named_and_the_others_are_verified(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    assert_eq!(test.trail(&acme.org.id).len(), 3, "all have their numbers");
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(acme.org.id.clone());
    let cut =
        store.write::<_, StoreError>("cut", &scope, |tx| tx.execute(MOVE_HEAD, &[Value::Int(1)]));
    cut.unwrap();
    let checks = examine(config(&test));
    assert_eq!(those(&checks, HealthStatus::Failed), ["audit"], "{checks:?}");
    let audit = checks.iter().find(|check| check.name == "audit").unwrap();
    assert!(audit.detail.contains(acme.org.id.as_str()), "{audit:?}");
    assert!(audit.detail.contains("1 of 3") && !audit.detail.contains(globex.org.id.as_str()));
}

fn a_clock_behind_the_newest_entry_is_found(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let start = test.clock.now();
    test.clock.set(start.plus(std::time::Duration::from_secs(3600)));
    test.idp.token(&acme.request()).unwrap();
    assert_eq!(test.trail(&acme.org.id).len(), 4, "all have their numbers");
    test.clock.set(start);
    let checks = examine(config(&test));
    assert_eq!(those(&checks, HealthStatus::Failed), ["clock"], "{checks:?}");
}

fn another_instance_and_another_key_are_found(engine: Engine) {
    let test = engine.idp();
    let other = Engine::Memory.idp();
    let other_instance = config(&test).instance(other.idp.status().instance_id);
    assert_eq!(those(&examine(other_instance), HealthStatus::Failed), ["instance"]);
    let other_issuer = config(&test).issuer("https://other.example.com");
    assert_eq!(those(&examine(other_issuer), HealthStatus::Failed), ["instance"]);
    let checks = examine(config(&test).kek(KekSource::file(other.kek_path())));
    assert_eq!(those(&checks, HealthStatus::Failed), ["kek"]);
    assert_eq!(those(&checks, HealthStatus::Skipped), ["signing-keys"]);
    test.finish();
}
