//! The main job on PostgreSQL, and the databases that are refused there.

use agentidp_testkit::{Session, TestDatabase};

use crate::sandbox::{AUDIENCE, ISSUER, Sandbox};

fn sandbox(database: &TestDatabase) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.variables.insert("AGENTIDP_DATABASE_URL".to_owned(), database.url());
    sandbox
}

#[test]
fn the_main_job_is_the_same_and_the_password_is_kept_nowhere() {
    let database = TestDatabase::new();
    let sandbox = sandbox(&database);
    let made = sandbox.run(&["--json", "init", "--issuer", ISSUER]);
    assert_eq!(made.exit, 0, "{made:?}");
    let password = format!(":{}@", database.name());
    let stored = std::fs::read_to_string(sandbox.home().join("config.toml")).unwrap();
    assert!(stored.contains("postgres") && !stored.contains(&password), "{stored}");
    assert!(!made.stdout.contains(&password) && made.stderr.contains("AGENTIDP_DATABASE_URL"));

    let line = "--json org create --slug acme";
    assert_eq!(sandbox.run(&line.split(' ').collect::<Vec<_>>()).exit, 0);
    let register =
        ["--json", "agent", "register", "--org", "acme", "--name", "bot", "--audience", AUDIENCE];
    let id = sandbox.run(&register).text("agentId");
    let issue = ["--json", "credential", "issue", "--org", "acme", "--agent", &id];
    let agent = crate::sandbox::Agent { secret: sandbox.run(&issue).text("clientSecret"), id };
    let token = sandbox.token(&agent).text("access_token");
    let verify = ["--json", "token", "verify", "--audience", AUDIENCE, "-"];
    assert_eq!(sandbox.run_with_input(&verify, token.as_bytes()).exit, 0);
    let report = sandbox.run(&["--json", "audit", "verify", "--org", "acme"]);
    assert_eq!((report.exit, &report.json()["size"]), (0, &4.into()), "{report:?}");
    let status = sandbox.run(&["--json", "db", "status"]);
    assert_eq!(
        (status.text("engine").as_str(), status.text("schemaState").as_str()),
        ("postgres", "current")
    );
    assert_eq!(sandbox.run(&["--json", "db", "migrate"]).json()["migrationsApplied"], 0);
    let doctor = sandbox.run(&["--json", "doctor"]);
    assert_eq!((doctor.exit, &doctor.json()["healthy"]), (0, &true.into()), "{doctor:?}");
    assert!(!doctor.stdout.contains(&password));
}

#[test]
fn a_second_home_on_one_database_is_refused_and_leaves_nothing() {
    let database = TestDatabase::new();
    let sandbox = sandbox(&database);
    assert_eq!(sandbox.run(&["init", "--issuer", ISSUER]).exit, 0);
    let second = sandbox.run(&["--json", "--home", "second", "init", "--issuer", ISSUER]);
    assert_eq!((second.exit, second.refusal().as_str()), (1, "already_initialized"));
    assert!(!sandbox.path().join("second").exists());
    let other = TestDatabase::new();
    let url = other.url();
    let arguments =
        ["--json", "--home", "third", "--database-url", &url, "init", "--issuer", ISSUER];
    assert_eq!(sandbox.run(&arguments).exit, 0);
    let foreign = sandbox.run(&["--json", "--database-url", &url, "org", "show", "system"]);
    assert_eq!((foreign.exit, foreign.refusal().as_str()), (1, "database_foreign"));
    let foreign = sandbox.run(&["--json", "--database-url", &url, "db", "migrate"]);
    assert_eq!(foreign.refusal(), "database_foreign");
}

#[test]
fn other_schemas_strong_roles_and_dead_servers_are_refused() {
    let database = TestDatabase::new();
    let sandbox = sandbox(&database);
    assert_eq!(sandbox.run(&["init", "--issuer", ISSUER]).exit, 0);
    let strong = database.superuser_url();
    let answer = sandbox.run(&["--json", "--database-url", &strong, "org", "show", "system"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "role_too_strong"));
    let doctor = sandbox.run(&["--json", "--database-url", &strong, "doctor"]);
    assert_eq!((doctor.exit, doctor.refusal().as_str()), (3, "unhealthy"));
    assert!(doctor.stdout.contains("has no BYPASSRLS"), "{doctor:?}");
    let dead = "postgres://u:canary@127.0.0.1:1/d";
    let doctor = sandbox.run(&["--json", "--database-url", dead, "doctor"]);
    assert!(doctor.exit == 3 && !doctor.stdout.contains("canary"), "{doctor:?}");
    for verb in [["org", "show", "system"], ["db", "status", "-q"], ["db", "migrate", "-q"]] {
        let answer = sandbox.run(&[&["--json", "--database-url", dead][..], &verb].concat());
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, "database_unavailable"));
        assert!(!answer.stderr.contains("canary"));
    }
    let dead = ["--json", "--home", "h", "--database-url", dead, "init", "--issuer", ISSUER];
    assert_eq!(sandbox.run(&dead).refusal(), "database_unavailable");
    assert!(!sandbox.path().join("h").exists());
    let newer = "INSERT INTO schema_migrations (version, name, checksum) VALUES (999, 'later', '')";
    Session::connect(&database.url()).run(newer);
    let answer = sandbox.run(&["--json", "org", "show", "system"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "schema_mismatch"));
    let status = sandbox.run(&["--json", "db", "status"]);
    assert_eq!(status.json()["schemaVersion"], 999, "{status:?}");
    assert_eq!(status.json()["belongsToHome"], true);
}
