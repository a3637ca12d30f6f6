//! What its operator sees of it.

use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::sandbox::Sandbox;

use super::server::{Reply, Server, get, pause, token_request};

#[test]
fn metrics_are_for_the_operator_alone_and_have_few_labels() {
    use std::io::Write as _;
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &["--admin-listen", "127.0.0.1:0"]);
    assert_eq!(server.token_of(&agent).status, 200);
    assert_eq!(server.token(&agent.id, "wrong").status, 401);
    for number in 0..50 {
        server.get(&format!("/strange/{number}?secret=canary"));
        server.send(get("/healthz").replace("GET", &format!("M{number}")));
    }
    assert_eq!(server.get("/metrics").status, 404);
    let reply = server.get_as_operator("/metrics");
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let metrics = reply.body;
    for sample in [
        "agentidp_tokens_issued_total 1\n",
        "agentidp_token_requests_failed_total{reason=\"refused\"} 1\n",
        "agentidp_http_requests_total{route=\"/oauth2/token\",method=\"POST\",status=\"2xx\"} 1\n",
        "agentidp_http_requests_total{route=\"none\",method=\"GET\",status=\"4xx\"} 51\n",
        "agentidp_http_requests_total{route=\"/healthz\",method=\"other\",status=\"4xx\"} 50\n",
        "agentidp_rate_limited_total{scope=\"organization\"} 0\n",
        "agentidp_build_info{version=\"0.1.0\"} 1\n",
    ] {
        assert!(metrics.contains(sample), "no {sample} in {metrics}");
    }
    assert!(!metrics.contains("canary") && !metrics.contains("strange"), "{metrics}");
    // One who knows the format, where it is installed.
    if let Ok(mut promtool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn()
    {
        promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
        assert!(promtool.wait().unwrap().success(), "{metrics}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get_as_operator(path).status, 200);
    }
    assert_eq!(server.get_as_operator("/oauth2/token").status, 404);
    server.end();
}

#[test]
fn credentials_that_expire_soon_are_counted_from_the_start() {
    let (sandbox, agent) = Sandbox::with_agent();
    let issue =
        ["credential", "issue", "--org", "acme", "--agent", &agent.id, "--expires-in", "1h"];
    assert_eq!(sandbox.run(&issue).exit, 0);
    let server = Server::start(&sandbox, &["--admin-listen", "127.0.0.1:0"]);
    let told = || server.get_as_operator("/metrics").body;
    // The worker counts beside the server, which listens already.
    let counted = (0..100).map(|_| told()).find(|told| {
        pause();
        told.contains("agentidp_credentials_expiring_soon")
    });
    assert!(counted.unwrap().contains("\nagentidp_credentials_expiring_soon 1\n"));
    server.end();
}

#[test]
fn it_is_not_ready_when_the_database_is_not_the_one_it_opened() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    let sql =
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (999, 'later', x'00')";
    Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
    let begin = std::time::Instant::now();
    // An answer counts for a second.
    let reply = loop {
        let reply = server.get("/readyz");
        if reply.status != 200 {
            break reply;
        }
        assert!(begin.elapsed().as_secs() < 10, "{reply:?}");
        super::server::pause();
    };
    let answer = reply.json();
    assert_eq!((reply.status, &answer["status"]), (503, &"not ready".into()));
    assert_eq!(answer["checks"][0]["code"], "schema_mismatch");
    assert_eq!(server.get("/healthz").status, 200, "the process itself is well");
    server.end();
}

#[test]
fn the_log_tells_of_requests_and_keeps_their_secrets() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &[]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let fields = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\nConnection: close\r\n");
    let token = server.send(token_request(&agent.id, &agent.secret, &fields));
    let access_token = token.json()["access_token"].as_str().unwrap().to_owned();
    let wrong = server.token(&agent.id, "canary-secret");
    server.get("/agent-info?access_token=canary-query");
    let bearer = format!("Authorization: Bearer {access_token}\r\nHost:");
    server.send(get("/agent-info").replace("Host:", &bearer));
    server.send(get("/canary-path"));
    let said = server.end();
    for secret in ["canary", &agent.secret, &access_token, "Basic", "Bearer"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |reply: &Reply| {
        let id = reply.header("x-request-id");
        assert!(!id.is_empty());
        lines.iter().find(|line| line["requestId"] == id).unwrap_or_else(|| panic!("{said}"))
    };
    let line = of(&token);
    assert_eq!((&line["method"], &line["route"]), (&"POST".into(), &"/oauth2/token".into()));
    assert_eq!((&line["status"], &line["traceId"]), (&200.into(), &trace.into()));
    assert_eq!((&line["client"], &line["level"]), (&"127.0.0.1".into(), &"info".into()));
    assert!(line["durationUs"].is_u64() && line["time"].is_string(), "{line}");
    let line = of(&wrong);
    assert_eq!((&line["status"], &line["code"]), (&401.into(), &"invalid_client".into()));
    assert!(line.get("traceId").is_none());
}

#[test]
fn what_fails_inside_is_told_to_the_log_and_not_to_the_client() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &["--log-requests", "failed"]);
    let sql = "ALTER TABLE organizations RENAME TO elsewhere";
    Connection::open(sandbox.database()).unwrap().execute(sql, []).unwrap();
    let reply = server.token_of(&agent);
    assert!(reply.status >= 500, "{reply:?}");
    assert!(!reply.body.contains("organizations"), "{reply:?}");
    let id = reply.header("x-request-id").to_owned();
    assert_eq!(server.get("/healthz").status, 200);
    let said = server.end();
    let line = said.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("\"cause\":") && line.contains("\"level\":\"error\""), "{line}");
    assert!(!said.contains("/healthz"), "only what failed has a line: {said}");
}

#[test]
fn the_log_is_for_people_unless_asked() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &["--log-format", "text"]);
    server.get("/healthz");
    let said = server.end();
    assert!(said.contains(" info GET /healthz 200 "), "{said}");
}
