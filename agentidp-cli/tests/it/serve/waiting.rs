//! Clients that take their time.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

use super::server::{Reply, Server, get, pause, rest, token_request};

#[test]
fn a_head_in_drops_is_cut_off_though_it_never_stops() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &["--header-timeout", "1s"]);
    let mut stream = server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: idp\r\nX-Slow: ").unwrap();
    let begin = Instant::now();
    while stream.write_all(b"x").is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it listens on and on");
        pause();
    }
    assert!(begin.elapsed() > Duration::from_millis(900), "{:?}", begin.elapsed());
    server.end();
}

#[test]
fn a_body_in_drops_has_its_answer_when_the_time_is_over() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &["--body-timeout", "1s"]);
    let request = token_request(&agent.id, &agent.secret, "");
    let mut stream = server.connect();
    stream.write_all(&request.as_bytes()[..request.len() - 5]).unwrap();
    let reply = Reply::parse(&rest(&mut stream));
    assert_eq!((reply.status, reply.header("connection")), (408, "close"), "{reply:?}");
    assert_eq!(reply.json()["error"], "invalid_request");
    server.end();
}

#[test]
fn a_connection_without_a_request_is_left() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &["--idle-timeout", "1s"]);
    let begin = Instant::now();
    let mut silent = server.connect();
    let mut used = server.connect();
    used.write_all(b"GET /healthz HTTP/1.1\r\nHost: idp\r\n\r\n").unwrap();
    assert!(rest(&mut silent).is_empty());
    assert!(String::from_utf8_lossy(&rest(&mut used)).ends_with("{\"status\":\"ok\"}"));
    assert!(begin.elapsed() > Duration::from_millis(900), "{:?}", begin.elapsed());
    server.end();
}

#[test]
fn a_connection_is_kept_longer_than_a_head_may_take() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &["--header-timeout", "1s", "--idle-timeout", "30s"]);
    let mut stream = server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: idp\r\n\r\n").unwrap();
    agentidp_core::base::pause(Duration::from_millis(1500));
    stream.write_all(get("/healthz").as_bytes()).unwrap();
    let answers = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
    assert_eq!(answers.matches("{\"status\":\"ok\"}").count(), 2, "{answers}");
    server.end();
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &["--max-connections-per-address", "3"]);
    let held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let mut fourth = server.connect();
    assert!(rest(&mut fourth).is_empty(), "it is closed without a word");
    drop(held);
    let begin = Instant::now();
    while server.send(get("/healthz")).status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(10), "their places are not given back");
        pause();
    }
    server.end();
}
