//! Disks that are full and output that nobody takes.

use crate::sandbox::{ISSUER, Sandbox};

/// The limit of a file's size stands for a full disk: no write beyond it succeeds, for root neither.
fn with_room_for(kilobytes: u32, command: &str) -> String {
    // Blocks of 512 bytes in a POSIX shell.
    format!("ulimit -f {}; exec agentidp {command}", kilobytes * 2)
}

fn state(sandbox: &Sandbox) -> (String, String) {
    let list = sandbox.run(&["--json", "audit", "list", "--org", "system"]);
    let verify = sandbox.run(&["--json", "audit", "verify", "--org", "system"]);
    assert_eq!((list.exit, verify.exit), (0, 0), "{list:?} {verify:?}");
    (list.stdout, verify.stdout)
}

#[test]
fn a_full_disk_changes_nothing() {
    let sandbox = Sandbox::with_instance();
    let before = state(&sandbox);
    for kilobytes in [0, 1, 4, 16, 32, 36] {
        let command = with_room_for(kilobytes, "--json org create --slug acme");
        let answer = sandbox.shell(&command);
        let code = answer.refusal();
        assert_eq!(answer.exit, 1, "{kilobytes}: {answer:?}");
        assert!(["database_failed", "database_unavailable"].contains(&code.as_str()), "{answer:?}");
        assert_eq!(state(&sandbox), before, "{kilobytes}");
        assert_eq!(sandbox.run(&["org", "show", "acme"]).exit, 1);
    }
    assert_eq!(sandbox.run(&["org", "create", "--slug", "acme"]).exit, 0);
}

#[test]
fn an_init_that_finds_no_room_leaves_nothing() {
    let sandbox = Sandbox::new();
    for kilobytes in [0, 1, 4, 32, 64, 128] {
        let answer =
            sandbox.shell(&with_room_for(kilobytes, &format!("--json init --issuer {ISSUER}")));
        assert_eq!(answer.exit, 1, "{kilobytes}: {answer:?}");
        answer.refusal();
        assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 0, "{kilobytes}");
    }
    assert_eq!(sandbox.run(&["init", "--issuer", ISSUER]).exit, 0);
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::with_instance();
    for command in ["key jwks", "org show system", "--version", "--help"] {
        let answer = sandbox.shell(&format!("agentidp {command} > /dev/full"));
        assert_eq!(answer.exit, 1, "{command}");
        assert!(answer.stderr.starts_with("error: standard output cannot be used"), "{answer:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let sandbox = Sandbox::with_instance();
    for command in ["--help", "key jwks", "--json audit list --org system", "quickstart"] {
        // The reader is gone before anything is written.
        let line = format!("{{ sleep 0.2; agentidp {command}; echo $? >&2; }} | true");
        let answer = sandbox.shell(&line);
        assert_eq!(answer.stderr, "0\n", "{command}");
    }
}
