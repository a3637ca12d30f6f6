//! Databases of other versions, trails that were touched, and two that make one home at once.

use rusqlite::Connection;

use crate::sandbox::{ISSUER, Sandbox};

#[test]
fn a_newer_schema_is_refused_by_all_but_db_status() {
    let sandbox = Sandbox::with_instance();
    let sql =
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (999, 'later', x'00')";
    Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
    for arguments in [
        &["--json", "org", "show", "system"][..],
        &["--json", "org", "create", "--slug", "acme"],
        &["--json", "db", "migrate"],
        &["--json", "key", "jwks"],
    ] {
        let answer = sandbox.run(arguments);
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, "schema_mismatch"), "{answer:?}");
    }
    let trail = sandbox.run(&["--json", "audit", "verify", "--org", "system"]);
    assert_eq!((trail.exit, trail.refusal().as_str()), (3, "audit_broken"), "{trail:?}");
    assert_eq!(trail.json()["valid"], false);
    let status = sandbox.run(&["--json", "db", "status"]);
    assert_eq!(status.exit, 0);
    assert_eq!(status.json()["schemaVersion"], 999);
    assert_eq!(status.json()["schemaState"], "refused");
    assert_eq!(status.json()["belongsToHome"], true);
    assert!(status.stderr.contains("hint: use the version of agentidp"), "{status:?}");
}

#[test]
fn a_changed_migration_is_refused() {
    let sandbox = Sandbox::with_instance();
    let sql = "UPDATE schema_migrations SET checksum = x'00' WHERE version = 1";
    Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
    let answer = sandbox.run(&["--json", "org", "show", "system"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "schema_mismatch"));
}

#[test]
fn an_outdated_schema_is_refused_with_the_way_out() {
    let sandbox = Sandbox::with_instance();
    Connection::open(sandbox.database())
        .unwrap()
        .execute("DELETE FROM schema_migrations", [])
        .unwrap();
    let answer = sandbox.run(&["--json", "org", "show", "system"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "schema_outdated"));
    let trail = sandbox.run(&["--json", "audit", "verify", "--org", "system"]);
    assert_eq!((trail.exit, trail.refusal().as_str()), (1, "schema_outdated"));
    assert!(answer.stderr.contains("hint: run: agentidp db migrate"));
    let status = sandbox.run(&["--json", "db", "status"]);
    assert_eq!(status.json()["schemaState"], "outdated");
}

#[test]
fn a_trail_that_was_touched_is_reported_with_exit_code_3() {
    let (sandbox, _) = Sandbox::with_agent();
    let sound = sandbox.run(&["--json", "audit", "verify", "--org", "acme"]);
    assert_eq!((sound.exit, &sound.json()["valid"]), (0, &true.into()));
    let connection = Connection::open(sandbox.database()).unwrap();
    let triggers: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit_logs'",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!triggers.is_empty());
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    let sql = "UPDATE audit_logs SET entry = replace(entry, 'agent.created', 'agent.Created')";
    connection.execute(sql, []).unwrap();
    drop(connection);
    let broken = sandbox.run(&["--json", "audit", "verify", "--org", "acme"]);
    assert_eq!((broken.exit, broken.refusal().as_str()), (3, "audit_broken"));
    let report = broken.json();
    assert_eq!((&report["valid"], &report["size"]), (&false.into(), &3.into()));
    assert!(report["brokenAtEventId"].is_string());
    assert!(!report["findings"].as_array().unwrap().is_empty());
    let shown = sandbox.run(&["audit", "verify", "--org", "acme"]);
    assert_eq!(shown.exit, 3);
    assert!(shown.stdout.contains("brokenAtEventId"));
    // The others' trails are as they were.
    assert_eq!(sandbox.run(&["audit", "verify", "--org", "system"]).exit, 0);
}

#[cfg(not(feature = "postgres"))]
#[test]
fn without_postgresql_a_url_of_it_is_refused_with_the_way_to_get_it() {
    let sandbox = Sandbox::with_instance();
    let url = "postgres://u:canary@h/d";
    for arguments in [
        &["--json", "--database-url", url, "org", "show", "system"][..],
        &["--json", "--database-url", url, "db", "status"],
        &["--json", "--home", "other", "--database-url", url, "init", "--issuer", ISSUER],
    ] {
        let answer = sandbox.run(arguments);
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, "config_invalid"));
        assert!(answer.stderr.contains("--features postgres") && !answer.stderr.contains("canary"));
    }
    assert!(!sandbox.path().join("other").exists());
}

#[cfg(not(feature = "server"))]
#[test]
fn without_the_server_serve_tells_the_way_to_get_it() {
    let sandbox = Sandbox::with_instance();
    let answer = sandbox.run(&["--json", "serve"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "config_invalid"));
    assert!(answer.stderr.contains("--features server"), "{answer:?}");
}

#[test]
fn of_many_that_make_one_home_at_once_one_does() {
    for _ in 0..3 {
        let sandbox = Sandbox::new();
        let init = || sandbox.run(&["--json", "init", "--issuer", ISSUER]);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..6).map(|_| scope.spawn(init)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let made = answers.iter().filter(|answer| answer.exit == 0).count();
        assert_eq!(made, 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.exit != 0) {
            let code = answer.refusal();
            assert!(["already_initialized", "database_busy"].contains(&code.as_str()), "{code}");
        }
        assert_eq!(sandbox.run(&["org", "show", "system"]).exit, 0);
        let left = std::fs::read_dir(sandbox.home()).unwrap().count();
        assert_eq!(left, 3);
    }
}
