//! More work for the library than it has threads for and places to wait.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Instant;

use agentidp_core::base::limits::{ASYNC_QUEUE, ASYNC_THREADS};
use rusqlite::Connection;
use serde_json::json;

use crate::sandbox::{Agent, Sandbox};

use super::idle::descriptors;
use super::limits::organization;
use super::server::{
    PATIENCE, Reply, Server, basic, bearer, form_request, get, pause, rest, token_request,
};

/// Verbs that run or wait, and as many tokens that are being recorded without a thread.
const JOBS_MAX: usize = ASYNC_THREADS + ASYNC_QUEUE;

const CLOSE: &str = "Connection: close\r\n";

/// A server whose database is another's for a while: what writes waits for it.
struct Blocked<'a> {
    server: &'a Server,
    other: Connection,
    held: Vec<TcpStream>,
}

impl<'a> Blocked<'a> {
    /// Sends as many requests as may wait, each over a connection of its own.
    fn by(sandbox: &Sandbox, server: &'a Server, request: &str) -> Blocked<'a> {
        let given = descriptors();
        assert!(given > JOBS_MAX + 100, "{given} descriptors are too few to ask so often at once");
        let other = Connection::open(sandbox.database()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let ask = |_| {
            let mut stream = server.connect();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        };
        let held = (0..JOBS_MAX).map(ask).collect();
        let begin = Instant::now();
        while jobs(server) != JOBS_MAX {
            assert!(begin.elapsed() < PATIENCE, "{} of them are there", jobs(server));
            pause();
        }
        Blocked { server, other, held }
    }

    /// Gives the database back: whoever was let in has its answer.
    fn ends(self) {
        self.other.execute_batch("ROLLBACK").unwrap();
        for mut stream in self.held {
            let reply = Reply::parse(&rest(&mut stream));
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        // An answer may be there a moment before its job is counted as over.
        let begin = Instant::now();
        while jobs(self.server) != 0 {
            assert!(begin.elapsed() < PATIENCE, "{} are left", jobs(self.server));
            pause();
        }
    }
}

/// Verbs of the library that run or wait, as the server tells.
fn jobs(server: &Server) -> usize {
    let metrics = server.get_as_operator("/metrics").body;
    let number = metrics.lines().find_map(|line| line.strip_prefix("agentidp_library_jobs "));
    number.unwrap().parse().unwrap()
}

fn started(sandbox: &Sandbox) -> (Server, Agent) {
    let agent = organization(sandbox, "acme", "60000");
    let arguments = ["--admin-listen", "127.0.0.1:0", "--log-requests", "none"];
    (Server::start(sandbox, &arguments), agent)
}

/// The form of RFC 6749 section 5.2.
#[track_caller]
fn is_refused_for_now(reply: &Reply) {
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{reply:?}");
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("cache-control"), "no-store");
    let told = json!({
        "error": "temporarily_unavailable",
        "error_description": "All threads are busy and the queue is full.",
    });
    assert_eq!(reply.json(), told);
}

#[test]
fn work_that_nobody_has_a_thread_for_is_told_to_come_again_and_then_it_is_done() {
    let sandbox = Sandbox::with_instance();
    let (server, agent) = started(&sandbox);
    let token = server.token_of(&agent).json()["access_token"].as_str().unwrap().to_owned();
    let fields = format!("{}{CLOSE}", basic(&agent.id, &agent.secret));
    let revoke = form_request("/oauth2/revoke", &fields, &format!("token={token}"));
    let list = get("/agents").replace("Host:", &format!("{}Host:", bearer(&token)));
    let blocked = Blocked::by(&sandbox, &server, &revoke);
    is_refused_for_now(&server.send(&revoke));
    is_refused_for_now(&server.token(&agent.id, "wrong"));
    let reply = server.send(&list);
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{reply:?}");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("overloaded"), &json!(503)));
    assert_eq!(problem["requestId"], reply.header("x-request-id"));
    // No more of it should come, and the process itself is well.
    let reply = server.get("/readyz");
    let check = json!({ "name": "instance", "ok": false, "code": "overloaded" });
    assert_eq!((reply.status, &reply.json()["checks"][0]), (503, &check));
    assert_eq!(server.get("/healthz").status, 200);
    blocked.ends();
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.send(&revoke).status, 200);
    assert_eq!(server.send(&list).status, 401, "the token was revoked");
    assert_eq!(server.token_of(&agent).status, 200);
    server.end();
}

/// A client that was seen before gets its tokens without a thread that waits, and not without end.
#[test]
fn more_tokens_than_may_be_recorded_at_once_are_told_to_come_again_and_then_given() {
    let sandbox = Sandbox::with_instance();
    let (server, agent) = started(&sandbox);
    assert_eq!(server.token_of(&agent).status, 200);
    let request = token_request(&agent.id, &agent.secret, CLOSE);
    let blocked = Blocked::by(&sandbox, &server, &request);
    is_refused_for_now(&server.token_of(&agent));
    is_refused_for_now(&server.token(&agent.id, "wrong"));
    // The threads are free: what only looks is done.
    assert_eq!(server.get("/readyz").status, 200);
    blocked.ends();
    assert_eq!(server.token_of(&agent).status, 200);
    server.end();
    // Nothing else was recorded beside the organization, the agent and its secret.
    let trail = sandbox.run(&["--json", "audit", "verify", "--org", "acme"]).json();
    let tokens = JOBS_MAX + 2;
    assert_eq!((&trail["valid"], &trail["size"]), (&json!(true), &json!(3 + tokens)), "{trail}");
}
