//! Servers on PostgreSQL, where tokens, quotas and locks go other ways than on SQLite, and which may go away.

use agentidp_testkit::{Session, TestDatabase};
use serde_json::{Value, json};

use crate::sandbox::{Agent, ISSUER, Sandbox};

use super::readiness::{is_not_ready, is_ready};
use super::server::{Reply, Server, basic, form_request};

/// An agent of the organization with these scopes, whose tokens are for the issuer.
fn agent(sandbox: &Sandbox, org: &str, scopes: &[&str]) -> Agent {
    let mut register = vec!["--json", "agent", "register", "--org", org, "--name", "bot"];
    register.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
    let id = sandbox.run(&register).text("agentId");
    let issue = ["--json", "credential", "issue", "--org", org, "--agent", &id];
    Agent { secret: sandbox.run(&issue).text("clientSecret"), id }
}

fn ask(server: &Server, method: &str, path: &str, fields: &str, body: &str) -> Reply {
    let length = body.len();
    server.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: idp\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {fields}\r\n{body}"
    ))
}

/// A question about a token, by the secret of its client.
fn form(server: &Server, agent: &Agent, path: &str, body: &str) -> Reply {
    let fields = format!("{}Connection: close\r\n", basic(&agent.id, &agent.secret));
    server.send(form_request(path, &fields, body))
}

fn api(server: &Server, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    let fields = format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: once\r\n"
    );
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(server, method, path, &fields, &body)
}

/// One with an instance in that database.
fn sandbox(database: &TestDatabase) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.variables.insert("AGENTIDP_DATABASE_URL".to_owned(), database.url());
    assert_eq!(sandbox.run(&["init", "--issuer", ISSUER]).exit, 0);
    sandbox
}

fn start(sandbox: &Sandbox, database: &TestDatabase) -> Server {
    Server::start_with(sandbox, &[], |command| {
        command.env("AGENTIDP_DATABASE_URL", database.url());
    })
}

#[test]
fn two_servers_of_one_database_are_one_instance() {
    let database = TestDatabase::new();
    let sandbox = sandbox(&database);
    for org in ["acme", "globex"] {
        let limits = ["--max-tokens-per-month", "40"];
        let create = ["--json", "org", "create", "--slug", org];
        assert_eq!(sandbox.run(&[&create[..], &limits[..]].concat()).exit, 0);
    }
    let (one, other) = (start(&sandbox, &database), start(&sandbox, &database));
    let manager = agent(&sandbox, "acme", &["agents:read", "agents:write"]);
    let stranger = agent(&sandbox, "globex", &["agents:read"]);
    assert_eq!(one.get("/readyz").status, 200);
    assert_eq!(one.token(&manager.id, "aidp_wrong").status, 401);
    let token = one.token_of(&manager).json()["access_token"].as_str().unwrap().to_owned();

    // What one server does, the other knows.
    let made = api(&one, &token, "POST", "/agents", &json!({ "name": "made" }));
    let again = api(&other, &token, "POST", "/agents", &json!({ "name": "made" }));
    assert_eq!((made.status, made.json()), (201, again.json()), "it is made once");
    let path = format!("/agents/{}", made.json()["agentId"].as_str().unwrap());
    assert_eq!(api(&other, &token, "GET", &path, &Value::Null).json(), made.json());
    let theirs = other.token_of(&stranger).json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(api(&one, &theirs, "GET", &path, &Value::Null).status, 404);
    let active = |server: &Server| {
        form(server, &manager, "/oauth2/introspect", &format!("token={token}")).json()["active"]
            .clone()
    };
    assert_eq!((active(&one), active(&other)), (json!(true), json!(true)));
    assert_eq!(form(&one, &manager, "/oauth2/revoke", &format!("token={token}")).status, 200);
    assert_eq!((active(&one), active(&other)), (json!(false), json!(false)));
    assert_eq!(api(&other, &token, "GET", &path, &Value::Null).status, 401);

    // The month's quota is that of both, whoever asks where.
    let mut issued = 1;
    for turn in 0..80 {
        let server = if turn % 2 == 0 { &one } else { &other };
        let reply = server.token_of(&manager);
        match reply.status {
            200 => issued += 1,
            _ => assert_eq!(
                (reply.status, reply.json()["error"].as_str()),
                (429, Some("quota_exceeded"))
            ),
        }
    }
    assert!((35..=40).contains(&issued), "{issued}: each may still hold a part");
    assert_eq!(other.token_of(&stranger).status, 200, "another's month is its own");
    one.end();
    other.end();
    let report = sandbox.run(&["--json", "audit", "verify", "--org", "acme"]);
    assert_eq!((report.exit, &report.json()["valid"]), (0, &json!(true)));
}

/// A role that may not log in any more and whose connections were ended is as a server that is stopped, and
/// leaves the server to other tests.
#[test]
fn a_database_that_went_away_is_told_until_it_is_back() {
    let database = TestDatabase::new();
    let sandbox = sandbox(&database);
    assert_eq!(sandbox.run(&["org", "create", "--slug", "acme"]).exit, 0);
    let agent = agent(&sandbox, "acme", &["agents:read"]);
    let server = start(&sandbox, &database);
    is_ready(&server);
    assert_eq!(server.token_of(&agent).status, 200);
    let role = database.name();
    let mut superuser = Session::connect(&database.superuser_url());
    superuser.run(&format!("ALTER ROLE {role} NOLOGIN"));
    superuser.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    ));
    is_not_ready(&server, "database_unavailable");
    let reply = server.token_of(&agent);
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{reply:?}");
    let told = json!({
        "error": "temporarily_unavailable",
        "error_description": "The database cannot be reached or opened.",
    });
    assert_eq!(reply.json(), told);
    superuser.run(&format!("ALTER ROLE {role} LOGIN"));
    is_ready(&server);
    assert_eq!(server.token_of(&agent).status, 200);
    let said = server.end();
    // The log tells what went wrong, and not the URL with its password.
    assert!(said.contains("\"cause\":\"database not available"), "{said}");
    assert!(!said.contains("postgres://") && !said.contains(&format!(":{role}@")), "{said}");
}
