//! Requests that two readers could take for different ones (RFC 9112 section 11.2), and requests that
//! are too much of something.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::sandbox::Sandbox;

use super::server::{Reply, Server, rest};

/// What must not be taken for a request of its own.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: idp\r\n\r\n";

#[test]
fn a_request_that_could_be_read_in_two_ways_is_refused_and_its_connection_ended() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: idp\r\n";
    for (what, request) in [
        (
            "both lengths",
            format!(
                "{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "both lengths, the other way",
            format!(
                "{head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        ("two lengths", format!("{head}Content-Length: 0\r\nContent-Length: 44\r\n\r\n{SMUGGLED}")),
        ("a list of lengths", format!("{head}Content-Length: 0, 44\r\n\r\n{SMUGGLED}")),
        ("a signed length", format!("{head}Content-Length: +0\r\n\r\n{SMUGGLED}")),
        ("a negative length", format!("{head}Content-Length: -1\r\n\r\n{SMUGGLED}")),
        (
            "a length that overflows",
            format!("{head}Content-Length: 18446744073709551616\r\n\r\n{SMUGGLED}"),
        ),
        ("an unknown coding", format!("{head}Transfer-Encoding: xchunked\r\n\r\n{SMUGGLED}")),
        (
            "a coding after chunked",
            format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunked in HTTP/1.0",
            format!(
                "{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
                head.replace("1.1", "1.0")
            ),
        ),
        ("a folded field", format!("{head}X-Long: a\r\n b\r\nContent-Length: 0\r\n\r\n{SMUGGLED}")),
        ("a space before the colon", format!("{head}Content-Length : 44\r\n\r\n{SMUGGLED}")),
        ("a NUL in a field", format!("{head}X-Nul: a\0b\r\n\r\n{SMUGGLED}")),
        ("a NUL in the path", format!("GET /\0 HTTP/1.1\r\nHost: idp\r\n\r\n{SMUGGLED}")),
        ("a carriage return alone", format!("{head}X-Cr: a\rContent-Length: 44\r\n\r\n{SMUGGLED}")),
        ("a version that is none", format!("GET / HTTP/1.2\r\nHost: idp\r\n\r\n{SMUGGLED}")),
        ("no version", format!("GET /\r\n\r\n{SMUGGLED}")),
        ("no host", format!("GET /healthz HTTP/1.1\r\n\r\n{SMUGGLED}")),
        ("two hosts", format!("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{SMUGGLED}")),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let answered = rest(&mut stream);
        let reply = Reply::parse(&answered);
        assert!((400..=505).contains(&reply.status), "{what}: {reply:?}");
        let answers = String::from_utf8_lossy(&answered).matches("HTTP/1.1 ").count();
        assert_eq!(answers, 1, "{what}: {reply:?}");
    }
    let said = server.end();
    assert!(!said.contains("smuggled"), "{said}");
}

#[test]
fn a_chunk_that_lies_about_its_size_ends_the_connection() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: idp\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in
        ["ffffffffffffffffff\r\nx", "-1\r\nx", "0x1\r\nx\r\n0\r\n\r\n", "1\r\nxy\r\n0\r\n\r\n"]
    {
        let mut stream = server.connect();
        stream.write_all(format!("{head}{chunks}{SMUGGLED}").as_bytes()).unwrap();
        let answered = rest(&mut stream);
        let reply = Reply::parse(&answered);
        assert!(reply.status == 0 || (400..500).contains(&reply.status), "{chunks}: {reply:?}");
        assert!(String::from_utf8_lossy(&answered).matches("HTTP/1.1 ").count() <= 1, "{chunks}");
    }
    server.end();
}

#[test]
fn requests_that_follow_one_another_are_answered_in_their_order() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let posted = "POST /nothing HTTP/1.1\r\nHost: idp\r\nContent-Length: 5\r\n\r\nhello";
    let last = "GET /healthz HTTP/1.1\r\nHost: idp\r\nConnection: close\r\n\r\n";
    let mut stream = server.connect();
    let first = "GET /healthz HTTP/1.1\r\nHost: idp\r\n\r\n";
    stream.write_all(format!("{first}{posted}{last}").as_bytes()).unwrap();
    let text = String::from_utf8(rest(&mut stream)).unwrap();
    let statuses: Vec<_> =
        text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{text}");
    server.end();
}

#[test]
fn what_is_too_much_is_refused_with_its_own_status() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let end = "Host: idp\r\nConnection: close\r\n";
    let long = "x".repeat(70_000);
    assert_eq!(server.send(format!("GET /{long} HTTP/1.1\r\n{end}\r\n")).status / 100, 4);
    assert_eq!(server.send(format!("GET / HTTP/1.1\r\nX: {long}\r\n{end}\r\n")).status, 431);
    let mut fields = String::new();
    for number in 0..300 {
        let _ = write!(fields, "X-{number}: x\r\n");
    }
    assert_eq!(server.send(format!("GET / HTTP/1.1\r\n{fields}{end}\r\n")).status, 431);
    // It is enough to say so.
    for path in ["/oauth2/token", "/oauth2/introspect", "/nothing"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nContent-Length: 999999999\r\nHost: idp\r\n\r\n");
        let reply = server.send(head);
        assert_eq!((reply.status, reply.header("connection")), (413, "close"), "{path} {reply:?}");
    }
    // Chunks do not say beforehand.
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 18, "x".repeat(1 << 18));
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: idp\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    let reply = server.send(format!("{head}{}0\r\n\r\n", chunk.repeat(8)));
    assert_eq!(reply.status, 413, "{reply:?}");
    server.end();
}

/// Most clients look for an answer when they have sent everything, and one that is cut off has none.
#[test]
fn who_sends_too_much_learns_it_though_it_sends_to_the_end() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    // Where nobody may ask, nobody reads what was sent.
    for (path, length, status) in [
        ("/oauth2/token", 8 << 20, 413),
        ("/oauth2/token", 900 << 10, 413),
        ("/organizations", 900 << 10, 401),
    ] {
        let body = vec![b'x'; length];
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: idp\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let reply = Reply::parse(&rest(&mut stream));
        assert_eq!(reply.status, status, "{path}: {reply:?}");
    }
    server.end();
}
