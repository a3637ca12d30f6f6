//! Where it listens, and with whom it speaks plain http.

use crate::sandbox::Sandbox;

use super::server::{Server, get, send};

#[test]
fn it_answers_from_the_moment_it_tells_where() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &[]);
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    let token = server.token_of(&agent);
    assert_eq!((token.status, &token.json()["token_type"]), (200, &"Bearer".into()));
    assert_eq!(token.header("x-content-type-options"), "nosniff");
    assert_eq!(token.header("strict-transport-security"), "", "that is for https alone");
    assert_eq!(server.get("/nothing").json()["code"], "not_found");
    let said = server.end();
    assert!(!said.contains(&agent.secret), "{said}");
}

#[test]
fn beyond_loopback_nothing_is_served_in_the_open() {
    let sandbox = Sandbox::with_instance();
    for arguments in [
        &["--json", "serve", "--listen", "0.0.0.0:0"][..],
        &["--json", "serve", "--listen", "[::]:0"],
        &["--json", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"],
    ] {
        let answer = sandbox.run(arguments);
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, "config_invalid"));
        assert!(answer.stderr.contains("--tls-cert"), "{answer:?}");
    }
}

#[test]
fn an_address_that_is_taken_is_told() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let address = server.address.to_string();
    let answer = sandbox.run(&["--json", "serve", "--listen", &address]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "config_invalid"));
    assert!(answer.stderr.contains(&address), "{answer:?}");
    server.end();
}

#[test]
fn what_cannot_be_meant_is_a_wrong_usage() {
    let sandbox = Sandbox::with_instance();
    for arguments in [
        &["serve", "--listen", "idp.example.com:443"][..],
        &["serve", "--trusted-proxy", "10.0.0.1/8"],
        &["serve", "--tls-cert", "cert.pem"],
        &["serve", "--max-connections", "0"],
        &["serve", "--idle-timeout", "0s"],
    ] {
        let answer = sandbox.run(arguments);
        assert_eq!(answer.exit, 2, "{answer:?}");
    }
}

/// Whoever is believed says where a request comes from, and that it came by https: that is not for everybody.
#[test]
fn not_everybody_is_a_proxy() {
    let sandbox = Sandbox::with_instance();
    for everybody in ["0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0"] {
        let arguments =
            ["--json", "serve", "--listen", "127.0.0.1:0", "--trusted-proxy", everybody];
        let answer = sandbox.run(&arguments);
        assert_eq!((answer.exit, answer.refusal().as_str()), (2, "usage"));
        let told = answer.stderr.contains("--trusted-proxy") && answer.stderr.contains("everybody");
        assert!(told, "{answer:?}");
    }
}

#[test]
fn a_proxy_is_believed_when_it_is_named_and_else_not() {
    let (sandbox, agent) = Sandbox::with_agent();
    let forwarded = |server: &Server, proto: &str| {
        let fields = format!("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: {proto}\r\n");
        let request = get("/.well-known/jwks.json").replace("Host:", &format!("{fields}Host:"));
        server.send(request)
    };
    let server = Server::start(&sandbox, &[]);
    let reply = forwarded(&server, "https");
    assert_eq!((reply.status, reply.header("strict-transport-security")), (200, ""));
    // Loopback is loopback, whatever a stranger writes.
    assert_eq!(forwarded(&server, "http").status, 200);
    let said = server.end();
    assert!(said.contains("\"client\":\"127.0.0.1\"") && !said.contains("192.0.2.7"), "{said}");

    let server = Server::start(&sandbox, &["--trusted-proxy", "127.0.0.0/8,10.0.0.0/8"]);
    let reply = forwarded(&server, "https");
    assert_eq!(reply.status, 200);
    assert!(reply.header("strict-transport-security").starts_with("max-age="), "{reply:?}");
    // Its client came in the open, with whatever secret that was.
    let reply = forwarded(&server, "http");
    assert_eq!((reply.status, &reply.json()["code"]), (403, &"https_required".into()));
    assert_eq!(reply.header("location"), "");
    let fields = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n";
    let request = super::server::token_request(&agent.id, &agent.secret, fields);
    let reply = server.send(request);
    assert_eq!((reply.status, &reply.json()["error"]), (403, &"invalid_request".into()));
    let said = server.end();
    assert!(said.contains("\"client\":\"192.0.2.7\""), "{said}");
}

#[test]
fn a_client_beyond_loopback_is_refused_and_not_redirected() {
    let sandbox = Sandbox::with_instance();
    let listen = ["--listen", "0.0.0.0:0", "--trusted-proxy", "203.0.113.0/24"];
    let server = Server::start(&sandbox, &listen);
    let port = server.address.port();
    // The address by which this machine would go to the network, if it has one.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("192.0.2.1:9").is_ok() {
        let own = probe.local_addr().unwrap().ip();
        let reply = send(super::server::connect((own, port).into()), get("/healthz"));
        assert_eq!((reply.status, &reply.json()["code"]), (403, &"https_required".into()));
        assert_eq!(reply.header("location"), "");
        assert_eq!(reply.header("connection"), "close");
    }
    let reply = send(super::server::connect(([127, 0, 0, 1], port).into()), get("/healthz"));
    assert_eq!(reply.status, 200);
    server.end();
}

#[test]
fn the_description_that_is_printed_is_the_one_that_is_served() {
    let sandbox = Sandbox::with_instance();
    let server = Server::start(&sandbox, &[]);
    let printed = sandbox.run(&["openapi"]);
    assert_eq!((printed.exit, printed.stderr.as_str()), (0, ""));
    let printed: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(printed, server.get("/openapi.json").json());
    let elsewhere = Sandbox::new();
    let issuer = "https://idp.example.com";
    let other = elsewhere.run(&["--json", "openapi", "--issuer", issuer]).json();
    assert_eq!(other["servers"][0]["url"], issuer, "and needs no instance");
    let refused = elsewhere.run(&["--json", "openapi", "--issuer", "http://10.0.0.1"]);
    assert_eq!((refused.exit, refused.refusal().as_str()), (1, "invalid_input"));
    assert_ne!(elsewhere.run(&["openapi"]).exit, 0, "there is no instance to ask for its issuer");
}
