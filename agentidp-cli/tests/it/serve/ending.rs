//! How it ends: what is in flight is answered, and nothing waits for ever.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use crate::sandbox::Sandbox;

use super::server::{PATIENCE, Reply, Server, pause, rest, token_request};

/// Waits until nobody accepts connections there any more.
fn closed(server: &Server) {
    let begin = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(begin.elapsed() < PATIENCE, "it still accepts connections");
        pause();
    }
}

#[test]
fn requests_in_flight_are_answered_before_it_ends() {
    let (sandbox, agent) = Sandbox::with_agent();
    for signal in ["-TERM", "-INT"] {
        let server = Server::start(&sandbox, &[]);
        let request = token_request(&agent.id, &agent.secret, "");
        let (first, last) = request.split_at(request.len() - 5);
        let mut stream = server.connect();
        stream.write_all(first.as_bytes()).unwrap();
        // Until its head has been read, it is not in flight.
        assert_eq!(server.get("/healthz").status, 200);
        pause();
        server.signal(signal);
        closed(&server);
        stream.write_all(last.as_bytes()).unwrap();
        let reply = Reply::parse(&rest(&mut stream));
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.json()["access_token"].is_string());
        let (code, said) = server.ended();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn connections_that_wait_for_nothing_do_not_keep_it() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let silent = server.connect();
    let mut used = server.connect();
    used.write_all(b"GET /healthz HTTP/1.1\r\nHost: idp\r\n\r\n").unwrap();
    // What it sent nobody needed to read.
    let mut refused = server.connect();
    refused
        .write_all(b"POST /organizations HTTP/1.1\r\nHost: idp\r\nContent-Length: 5\r\n\r\nhello")
        .unwrap();
    pause();
    let begin = Instant::now();
    server.end();
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    assert!(String::from_utf8_lossy(&rest(&mut used)).starts_with("HTTP/1.1 200"));
    assert!(String::from_utf8_lossy(&rest(&mut refused)).starts_with("HTTP/1.1 401"));
    drop(silent);
}

#[test]
fn a_request_that_does_not_end_keeps_it_as_long_as_was_said_and_no_longer() {
    let (sandbox, agent) = Sandbox::with_agent();
    let arguments = ["--drain-timeout", "1s", "--body-timeout", "1h"];
    let begun = |server: &Server| {
        let mut stream = server.connect();
        let request = token_request(&agent.id, &agent.secret, "");
        stream.write_all(&request.as_bytes()[..request.len() - 5]).unwrap();
        assert_eq!(server.get("/healthz").status, 200);
        pause();
        stream
    };
    let server = Server::start(&sandbox, &arguments);
    let stream = begun(&server);
    server.signal("-TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("with work in flight"), "{said}");
    drop(stream);

    // Who asks twice does not wait.
    let server = Server::start(&sandbox, &["--drain-timeout", "1h", "--body-timeout", "1h"]);
    let _stream = begun(&server);
    server.signal("-TERM");
    closed(&server);
    server.signal("-TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("as asked"), "{said}");
}

/// The worker waits ten seconds for the lock of the database.
#[test]
fn background_work_that_is_stuck_keeps_it_no_longer_than_requests() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &["--drain-timeout", "1s", "--interval", "1s"]);
    let other = rusqlite::Connection::open(sandbox.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    agentidp_core::base::pause(std::time::Duration::from_millis(1500));
    let begin = Instant::now();
    server.signal("-TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("with work in flight"), "{said}");
    assert!(begin.elapsed().as_secs() < 6, "{:?}", begin.elapsed());
}

#[test]
fn the_service_manager_is_told_when_it_is_ready_and_when_it_ends() {
    let sandbox = Sandbox::with_instance();
    let path = sandbox.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let server = Server::start_with(&sandbox, &[], |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(told(), "READY=1\n");
    server.signal("-TERM");
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(server.ended().0, Some(0));
}
