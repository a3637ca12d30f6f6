//! `agentidp doctor` over databases that were touched, and that it touches nothing itself.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::Value;

use crate::sandbox::{Answer, Sandbox};

/// The checks by their names: how each is, and what was found.
fn checks(answer: &Answer) -> BTreeMap<String, (String, String)> {
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    let checks = answer.json()["checks"].as_array().unwrap().clone();
    let named = checks.iter().map(|check| {
        // Whoever is told that something failed is told what to do.
        assert!(check["status"] != "failed" || check["hint"].is_string(), "{check}");
        (text(check, "name"), (text(check, "status"), text(check, "detail")))
    });
    named.collect()
}

fn failing(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.exit, answer.refusal().as_str()), (3, "unhealthy"), "{answer:?}");
    assert_eq!(answer.json()["healthy"], false);
    let failed = checks(answer).into_iter().filter(|(_, (status, _))| status == "failed");
    failed.map(|(name, _)| name).collect()
}

#[test]
fn schemas_that_others_refuse_are_looked_at() {
    let newer =
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (999, 'later', x'00')";
    let changed = "UPDATE schema_migrations SET checksum = x'00'";
    let outdated = "DELETE FROM schema_migrations";
    for (sql, hint) in [
        (newer, "use the version of agentidp that wrote this database, or a newer one"),
        (changed, "use the version of agentidp that wrote this database, or a newer one"),
        (outdated, "run: agentidp db migrate"),
    ] {
        let sandbox = Sandbox::with_instance();
        Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
        let answer = sandbox.run(&["--json", "doctor"]);
        assert_eq!(failing(&answer), ["schema"], "{answer:?}");
        assert!(answer.stdout.contains(hint), "{answer:?}");
        assert_eq!(checks(&answer)["kek"].0, "ok");
        assert_eq!(checks(&answer)["audit"].0, "skipped");
    }
}

#[test]
fn a_broken_trail_is_found_and_named() {
    let (sandbox, _) = Sandbox::with_agent();
    let acme = sandbox.run(&["--json", "org", "show", "acme"]).text("organizationId");
    let connection = Connection::open(sandbox.database()).unwrap();
    let sql = "UPDATE audit_heads SET size = size + 1 WHERE organization_id = ?1";
    connection.execute(sql, [&acme]).unwrap();
    drop(connection);
    let answer = sandbox.run(&["--json", "doctor"]);
    assert_eq!(failing(&answer), ["audit"], "{answer:?}");
    let (_, detail) = &checks(&answer)["audit"];
    assert!(
        detail.starts_with("trails that do not verify: 1 of 2; ") && detail.contains(&acme),
        "{detail}"
    );
    // It is still broken where the key is gone too.
    std::fs::remove_file(sandbox.home().join("kek.key")).unwrap();
    assert_eq!(failing(&sandbox.run(&["--json", "doctor"])), ["audit", "kek"]);
}

#[test]
fn signing_keys_that_were_touched_are_found() {
    for sql in [
        "UPDATE signing_keys SET sealed_private_key = zeroblob(100) WHERE purpose = 'token'",
        "UPDATE signing_keys SET state = 'retired' WHERE purpose = 'token'",
        "UPDATE peppers SET sealed_pepper = zeroblob(100)",
    ] {
        let sandbox = Sandbox::with_instance();
        Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
        assert_eq!(failing(&sandbox.run(&["--json", "doctor"])), ["signing-keys"], "{sql}");
    }
}

#[test]
fn an_instance_from_the_future_is_told_by_the_clock() {
    let sandbox = Sandbox::with_instance();
    let sql = "UPDATE instance SET created_at = 253402207199000000";
    Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
    let answer = sandbox.run(&["--json", "doctor"]);
    assert_eq!(failing(&answer), ["clock"]);
    assert!(checks(&answer)["clock"].1.contains("the instance was made at 9999-"), "{answer:?}");
}

#[test]
fn nothing_is_changed() {
    let (sandbox, agent) = Sandbox::with_agent();
    assert_eq!(sandbox.token(&agent).exit, 0);
    let files = || -> BTreeMap<_, _> {
        let entries = std::fs::read_dir(sandbox.home()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    let before = files();
    assert_eq!(sandbox.run(&["doctor"]).exit, 0);
    assert!(files() == before);
}
