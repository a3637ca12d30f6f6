//! Secrets go where they were asked for, and nowhere else.

use std::path::Path;

use crate::sandbox::{ISSUER, Sandbox};

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn a_client_secret_is_shown_once_and_is_in_no_file() {
    let (sandbox, agent) = Sandbox::with_agent();
    let token = sandbox.token(&agent);
    assert_eq!(token.exit, 0, "{token:?}");
    assert!(token.stderr.is_empty());
    // What follows the prefix, and the random half of it alone.
    let canaries = [&agent.secret.as_bytes()[5..], &agent.secret.as_bytes()[30..60]];
    let id = agent.id.as_str();
    for arguments in [
        &["--json", "org", "show", "acme"][..],
        &["--json", "agent", "show", id, "--org", "acme"],
        &["--json", "audit", "list", "--org", "acme"],
        &["--json", "audit", "verify", "--org", "acme"],
        &["--json", "key", "jwks"],
        &["--json", "db", "status"],
        &["--json", "credential", "issue", "--org", "acme", "--agent", id],
    ] {
        let answer = sandbox.run(arguments);
        assert_eq!(answer.exit, 0);
        for canary in canaries {
            let shown = [answer.stdout.as_bytes(), answer.stderr.as_bytes()].concat();
            assert!(!contains(&shown, canary), "{arguments:?}");
        }
    }
    for (name, bytes) in files(sandbox.path()) {
        for canary in canaries {
            assert!(!contains(&bytes, canary), "{name}");
        }
    }
}

#[test]
fn a_wrong_secret_is_not_repeated() {
    let (sandbox, agent) = Sandbox::with_agent();
    let arguments =
        ["--json", "token", "issue", "--client-id", &agent.id, "--client-secret-file", "-"];
    let answer = sandbox.run_with_input(&arguments, b"aidp_canary-canary-canary");
    assert_eq!(answer.refusal(), "invalid_client");
    assert!(!answer.stdout.contains("canary") && !answer.stderr.contains("canary"));
    for (name, bytes) in files(sandbox.path()) {
        assert!(!contains(&bytes, b"canary"), "{name}");
    }
}

#[test]
fn an_unknown_client_and_a_wrong_secret_are_one_answer() {
    let (sandbox, agent) = Sandbox::with_agent();
    let ask = |client: &str, secret: &str, form: &str| {
        let arguments =
            [form, "token", "issue", "--client-id", client, "--client-secret-file", "-"];
        sandbox.run_with_input(&arguments, secret.as_bytes())
    };
    let stranger = "01900000-0000-7000-8000-000000000001";
    let mut wrong = agent.secret.clone();
    wrong.pop();
    for form in ["--json", "-q"] {
        let first = ask(&agent.id, &wrong, form);
        assert_eq!(first.exit, 1);
        for (client, secret) in [
            (agent.id.as_str(), "aidp_wrong"),
            (&agent.id, ""),
            (stranger, &agent.secret),
            (stranger, ""),
            ("nobody", &agent.secret),
            ("", &agent.secret),
        ] {
            assert_eq!(ask(client, secret, form), first, "{client}");
        }
    }
    assert_eq!(sandbox.token(&agent).exit, 0);
}

#[test]
fn a_database_password_is_neither_shown_nor_stored() {
    let mut sandbox = Sandbox::new();
    let url = "postgres://idp:canary-1@127.0.0.1:1/d?password=canary-2";
    sandbox.variables.insert("AGENTIDP_DATABASE_URL".to_owned(), url.to_owned());
    for arguments in [
        &["--json", "init", "--issuer", ISSUER][..],
        &["--help"],
        &["init", "--help"],
        &["-v", "init", "--issuer", ISSUER],
        &["nonsense"],
        &["org", "show", "acme"],
    ] {
        let answer = sandbox.run(arguments);
        assert!(!answer.stdout.contains("canary") && !answer.stderr.contains("canary"));
    }
    assert!(files(sandbox.path()).is_empty());
}
