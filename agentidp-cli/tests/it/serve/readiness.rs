//! What load balancers are told when the instance cannot do its work, and when it can again.

use std::time::Instant;

use rusqlite::Connection;
use serde_json::json;

use crate::sandbox::Sandbox;

use super::server::{PATIENCE, Reply, Server, pause};

/// Waits for that answer: one of the database counts for a second.
fn ready_with(server: &Server, status: u16) -> Reply {
    let begin = Instant::now();
    loop {
        let reply = server.get("/readyz");
        if reply.status == status {
            return reply;
        }
        assert!(begin.elapsed() < PATIENCE, "{reply:?}");
        pause();
    }
}

/// It is not ready, by that code, and nobody is told more: no reason, no path, no name.
pub(super) fn is_not_ready(server: &Server, code: &str) {
    let reply = ready_with(server, 503);
    let instance = json!({ "name": "instance", "ok": false, "code": code });
    let checks = [instance, json!({ "name": "worker", "ok": true })];
    assert_eq!(reply.json(), json!({ "status": "not ready", "checks": checks }));
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("cache-control"), "no-store");
    let reply = server.get("/healthz");
    assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ok" })), "the process is");
}

pub(super) fn is_ready(server: &Server) {
    let reply = ready_with(server, 200);
    let checks = ["instance", "worker"].map(|name| json!({ "name": name, "ok": true }));
    assert_eq!(reply.json(), json!({ "status": "ready", "checks": checks }));
}

/// Changes the database behind the server's back.
fn change(sandbox: &Sandbox, sql: &str) {
    Connection::open(sandbox.database()).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_database_that_fails_is_told_until_it_is_mended() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &[]);
    is_ready(&server);
    change(&sandbox, "ALTER TABLE schema_migrations RENAME TO elsewhere");
    is_not_ready(&server, "database_failed");
    // Whoever reads the log learns what its client was not told.
    let failed = server.get("/readyz").header("x-request-id").to_owned();
    change(&sandbox, "ALTER TABLE elsewhere RENAME TO schema_migrations");
    is_ready(&server);
    assert_eq!(server.token_of(&agent).status, 200);
    let said = server.end();
    let line = said.lines().find(|line| line.contains(&failed)).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["route"], &line["status"]), (&"/readyz".into(), &503.into()));
    assert_eq!(line["code"], "database_failed");
    let cause = line["cause"].as_str().unwrap();
    assert!(cause.contains("schema_migrations"), "{line}");
}

#[test]
fn a_signing_key_that_is_missing_is_told_until_there_is_another() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &[]);
    is_ready(&server);
    change(&sandbox, "DELETE FROM signing_keys WHERE purpose = 'token'");
    is_not_ready(&server, "internal");
    assert_ne!(server.token_of(&agent).status, 200);
    assert_eq!(sandbox.run(&["key", "rotate", "--now"]).exit, 0);
    is_ready(&server);
    assert_eq!(server.token_of(&agent).status, 200);
    server.end();
}

/// Whoever keeps a set without keys refuses every token for as long, also once there is a key again.
#[test]
fn where_there_is_no_key_nobody_is_handed_a_set_without_any_to_keep() {
    const DOCUMENTS: [&str; 3] = [
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ];
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    assert!(DOCUMENTS.iter().all(|path| server.get(path).status == 200));
    change(
        &sandbox,
        "DELETE FROM signing_keys WHERE purpose = 'token';
         UPDATE instance SET keys_version = keys_version + 1",
    );
    // Looking reads the keys anew.
    is_not_ready(&server, "internal");
    for path in DOCUMENTS {
        let reply = server.get(path);
        assert_eq!(
            (reply.status, &reply.json()["code"]),
            (503, &"no_signing_key".into()),
            "{path}"
        );
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!((reply.header("retry-after"), reply.header("etag")), ("1", ""));
    }
    assert_eq!(sandbox.run(&["key", "rotate", "--now"]).exit, 0);
    is_ready(&server);
    for path in DOCUMENTS {
        let reply = server.get(path);
        let cache_control = reply.header("cache-control");
        assert_eq!((reply.status, cache_control), (200, "public, max-age=600"), "{path}");
    }
    server.end();
}

#[test]
fn a_signing_key_that_does_not_open_is_told() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    is_ready(&server);
    change(
        &sandbox,
        "UPDATE signing_keys SET sealed_private_key = x'00' WHERE purpose = 'token';
         UPDATE instance SET keys_version = keys_version + 1",
    );
    is_not_ready(&server, "seal_broken");
    server.end();
}

/// It opens the instance's root key and is let go: whoever takes the file away stops nothing that runs.
#[test]
fn the_key_encryption_key_is_needed_at_the_start_alone() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &[]);
    std::fs::remove_file(sandbox.home().join("kek.key")).unwrap();
    // Longer than an answer counts.
    agentidp_core::base::pause(std::time::Duration::from_millis(1200));
    is_ready(&server);
    assert_eq!(server.token_of(&agent).status, 200);
    server.end();
    let answer = sandbox.run(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "kek_unavailable"));
}
