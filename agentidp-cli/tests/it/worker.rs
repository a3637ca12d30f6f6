//! The worker: a process that others may end at any time.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::sandbox::{ISSUER, Sandbox, measured};

/// Starts a worker, waits for its first tick, and ends it with `signal`.
fn ended_by(signal: &str) {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["init", "--issuer", ISSUER]).exit, 0);
    let mut worker = Command::new(env!("CARGO_BIN_EXE_agentidp"))
        .args(["--json", "-v", "worker", "run", "--interval", "1h"])
        .env_clear()
        .env("HOME", sandbox.path())
        .envs(measured())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(worker.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "tick 1 done");
    let killed = Command::new("kill").args([signal, &worker.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = worker.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "{\"ticks\":1,\"failures\":0}\n");
}

#[test]
fn a_worker_ends_cleanly_on_sigterm() {
    ended_by("-TERM");
}

#[test]
fn a_worker_ends_cleanly_on_sigint() {
    ended_by("-INT");
}
