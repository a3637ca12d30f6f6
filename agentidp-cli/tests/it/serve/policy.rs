//! A policy in the stead of the built-in table.

use crate::sandbox::{Agent, Sandbox};

use super::server::{Server, bearer, form_request, get};

/// The token of the agent for our own API, asked for at the server.
fn api_token(server: &Server, agent: &Agent) -> String {
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&resource=https%3A%2F%2Fidp.example.com",
        agent.id, agent.secret
    );
    let request = form_request("/oauth2/token", "Connection: close\r\n", &body);
    server.send(request).json()["access_token"].as_str().expect("a token").to_owned()
}

/// How the server answers when the agent asks for its organization.
fn status(sandbox: &Sandbox, server: &Server, agent: &Agent) -> u16 {
    let token = api_token(server, agent);
    let organization = sandbox.run(&["--json", "org", "show", "acme"]).text("organizationId");
    let request = get(&format!("/organizations/{organization}"));
    let request = request.replace("Host:", &format!("{}Host:", bearer(&token)));
    server.send(request).status
}

#[test]
fn what_the_policy_denies_is_denied_and_a_broken_one_serves_nothing() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &[]);
    assert_eq!(status(&sandbox, &server, &agent), 200);
    server.end();
    let directory = sandbox.path().join("policy");
    std::fs::create_dir(&directory).unwrap();
    let write = |text: &str| std::fs::write(directory.join("authz.rego"), text).unwrap();
    let flag = directory.to_str().unwrap();
    // Its token is good, and of no use.
    write("package agentidp.authz\n\ndefault allow := false\n");
    let server = Server::start(&sandbox, &["--policy-dir", flag]);
    assert_eq!(status(&sandbox, &server, &agent), 403);
    server.end();
    for broken in [
        "package agentidp.authz\n",
        "package agentidp.authz\n\nallow if {",
        "default allow := true",
    ] {
        write(broken);
        let answer =
            sandbox.run(&["--json", "serve", "--listen", "127.0.0.1:0", "--policy-dir", flag]);
        assert_eq!(answer.exit, 1, "{answer:?}");
        assert!(!answer.refusal().is_empty());
    }
}
