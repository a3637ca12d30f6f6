//! How many requests may come.

use crate::sandbox::{Agent, Sandbox};

use super::server::{Reply, Server, get};

fn is_limited(reply: &Reply, scope: &str, limit: u32) {
    assert_eq!(reply.status, 429, "{reply:?}");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{reply:?}");
    assert_eq!(reply.header("ratelimit-policy"), format!("\"{scope}\";q={limit};w=60"));
    assert_eq!(reply.header("ratelimit"), format!("\"{scope}\";r=0;t={wait}"));
}

#[test]
fn an_address_has_its_limit_whatever_it_asks_for() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &["--rate-limit-per-address", "3"]);
    assert_eq!(server.token_of(&agent).status, 200);
    assert_eq!(server.token(&agent.id, "wrong").status, 401);
    assert_eq!(server.get("/nothing").status, 404);
    let reply = server.token_of(&agent);
    is_limited(&reply, "address", 3);
    assert_eq!(reply.json()["error"], "rate_limited");
    let reply = server.get("/nothing");
    is_limited(&reply, "address", 3);
    assert_eq!(reply.json()["code"], "rate_limited");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    // Whoever watches over it is not counted.
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).status, 200);
    }
    server.end();
}

#[test]
fn each_client_of_a_trusted_proxy_has_its_own() {
    let sandbox = Sandbox::with_instance();
    let arguments = ["--rate-limit-per-address", "1", "--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&sandbox, &arguments);
    let from = |client: &str| {
        let field = format!("X-Forwarded-For: {client}\r\nHost:");
        server.send(get("/nothing").replace("Host:", &field)).status
    };
    assert_eq!(from("192.0.2.1"), 404);
    assert_eq!(from("192.0.2.1"), 429);
    assert_eq!(from("192.0.2.2"), 404);
    // One who writes the field itself gets no further by it.
    assert_eq!(from("192.0.2.99, 192.0.2.2"), 429);
    assert_eq!(from("2001:db8::1"), 404);
    assert_eq!(from("2001:db8::2"), 429, "a customer has a whole network of them");
    server.end();
}

/// An organization that may send so many requests in a minute, and its agent.
pub(super) fn organization(sandbox: &Sandbox, slug: &str, per_minute: &str) -> Agent {
    let json = |arguments: &[&str]| {
        let answer = sandbox.run(&[&["--json"], arguments].concat());
        assert_eq!(answer.exit, 0, "{answer:?}");
        answer
    };
    json(&["org", "create", "--slug", slug, "--rate-limit-per-minute", per_minute]);
    let scopes = ["--scope", "a", "--scope", "agents:read"];
    let register = ["agent", "register", "--org", slug, "--name", "bot"];
    let agent = json(&[&register[..], &scopes].concat());
    let id = agent.text("agentId");
    let credential = json(&["credential", "issue", "--org", slug, "--agent", &id]);
    Agent { secret: credential.text("clientSecret"), id }
}

#[test]
fn a_noisy_organization_is_limited_and_nobody_else_is() {
    let sandbox = Sandbox::with_instance();
    let noisy = organization(&sandbox, "noisy", "3");
    let quiet = organization(&sandbox, "quiet", "3");
    let server = Server::start(&sandbox, &[]);
    // Strangers who know its name take nothing of what it may send.
    for _ in 0..10 {
        assert_eq!(server.token(&quiet.id, "wrong").status, 401);
    }
    for _ in 0..3 {
        assert_eq!(server.token_of(&noisy).status, 200);
    }
    for _ in 0..5 {
        let reply = server.token_of(&noisy);
        is_limited(&reply, "organization", 3);
        assert_eq!(reply.json()["error"], "rate_limited");
        assert_eq!(reply.header("content-type"), "application/json");
    }
    // Who does not prove to be it learns nothing of it.
    assert_eq!(server.token(&noisy.id, "wrong").status, 401);
    for _ in 0..3 {
        assert_eq!(server.token_of(&quiet).status, 200);
    }
    is_limited(&server.token_of(&quiet), "organization", 3);
    server.end();
    // What was refused for its number leaves no trace, and no token.
    let trail = sandbox.run(&["--json", "audit", "list", "--org", "noisy"]);
    let of = |outcome: &str| {
        let text = format!("\"type\":\"token.issued\",\"outcome\":\"{outcome}\"");
        trail.stdout.matches(&text).count()
    };
    assert_eq!((of("success"), of("refused")), (3, 1), "one with a wrong secret: {trail:?}");
}

#[test]
fn the_api_counts_for_the_organization_of_the_bearer() {
    let sandbox = Sandbox::with_instance();
    let (noisy, quiet) =
        (organization(&sandbox, "noisy", "3"), organization(&sandbox, "quiet", "3"));
    let server = Server::start(&sandbox, &[]);
    let bearer = |agent: &Agent| {
        let token = server.token_of(agent).json()["access_token"].as_str().unwrap().to_owned();
        format!("Authorization: Bearer {token}\r\nHost:")
    };
    let (noisy, quiet) = (bearer(&noisy), bearer(&quiet));
    let list = |bearer: &str| server.send(get("/agents").replace("Host:", bearer));
    // The token itself was the first.
    assert_eq!((list(&noisy).status, list(&noisy).status), (200, 200));
    let reply = list(&noisy);
    is_limited(&reply, "organization", 3);
    assert_eq!(reply.json()["code"], "rate_limited");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    // A token that nobody issued counts for nobody.
    let forged = quiet.replace("Bearer ey", "Bearer ez");
    for _ in 0..5 {
        assert_eq!(list(&forged).status, 401);
    }
    assert_eq!((list(&quiet).status, list(&quiet).status), (200, 200));
    server.end();
}

#[test]
fn all_together_have_a_limit_where_it_is_asked_for_which_is_nobodys_fault() {
    let sandbox = Sandbox::with_instance();
    let (one, other) = (organization(&sandbox, "one", "2"), organization(&sandbox, "other", "9"));
    let server = Server::start(&sandbox, &["--rate-limit-in-all", "4"]);
    for _ in 0..2 {
        assert_eq!(server.token_of(&one).status, 200);
    }
    // What an organization has no more of is not taken from all.
    for _ in 0..9 {
        assert_eq!(server.token_of(&one).status, 429);
    }
    for _ in 0..2 {
        assert_eq!(server.token_of(&other).status, 200);
    }
    let reply = server.token_of(&other);
    assert_eq!((reply.status, &reply.json()["error"]), (503, &"temporarily_unavailable".into()));
    assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    server.end();
}

#[test]
fn more_requests_than_may_be_answered_at_once_are_told_to_come_again() {
    use std::io::Write as _;
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &["--max-requests-in-flight", "1"]);
    let request = super::server::token_request(&agent.id, &agent.secret, "");
    let (first, last) = request.split_at(request.len() - 5);
    let mut held = server.connect();
    held.write_all(first.as_bytes()).unwrap();
    // Or it would be the second.
    super::server::pause();
    let begin = std::time::Instant::now();
    let refused = loop {
        let reply = server.token_of(&agent);
        if reply.status != 200 {
            break reply;
        }
        assert!(begin.elapsed().as_secs() < 10, "the one that waits is not counted");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(server.get("/nothing").json()["code"], "overloaded");
    assert_eq!(server.get("/readyz").status, 200, "whoever watches over it sees it");
    held.write_all(last.as_bytes()).unwrap();
    let mut answered = [0; 12];
    std::io::Read::read_exact(&mut held, &mut answered).unwrap();
    assert_eq!(&answered, b"HTTP/1.1 200");
    assert_eq!(server.token_of(&agent).status, 200);
    server.end();
}

#[test]
fn a_months_quota_has_its_own_answer() {
    let sandbox = Sandbox::with_instance();
    let agent = organization(&sandbox, "acme", "60");
    let quota = ["org", "update", "acme", "--max-tokens-per-month", "1"];
    assert_eq!(sandbox.run(&quota).exit, 0);
    let server = Server::start(&sandbox, &[]);
    assert_eq!(server.token_of(&agent).status, 200);
    let reply = server.token_of(&agent);
    assert_eq!((reply.status, &reply.json()["error"]), (429, &"quota_exceeded".into()));
    server.end();
}
