//! Credentials: issued with their secrets, which are told once, rotated and revoked.

use agentidp_core::{AgentId, ErrorCode, TokenRequest};
use serde_json::{Value, json};

use crate::api::{Api, MISSING};

const ALL: &[&str] =
    &["credentials:read", "credentials:write", "tokens:revoke", "tools:read", "openid"];

fn works(api: &Api, agent: &AgentId, secret: &str) -> bool {
    let token = api.test.idp.token(&TokenRequest::client_credentials(agent, secret));
    assert!(token.as_ref().map_or_else(|e| e.code() == ErrorCode::InvalidClient, |_| true));
    token.is_ok()
}

fn secret(document: &Value) -> String {
    document["clientSecret"].as_str().expect("a secret").to_owned()
}

#[tokio::test]
async fn a_secret_is_told_once_rotated_and_revoked() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let path = format!("/agents/{}/credentials", acme.agent.id);
    let body = json!({ "expiresInSeconds": 3600 });
    let issued = api.post(&path).by(&token).json(&body).to().await;
    assert_eq!(issued.status, 201, "{issued:?}");
    assert_eq!(issued.header("cache-control"), "no-store");
    let first = issued.json();
    assert!(works(&api, &acme.agent.id, &secret(&first)));
    let of =
        |document: &Value| format!("{path}/{}", document["credentialId"].as_str().expect("an id"));
    assert_eq!(issued.header("location"), format!("https://idp.example.com{}", of(&first)));
    let shown = api.get(of(&first)).by(&token).to().await.json();
    assert!(shown.get("clientSecret").is_none());
    assert_eq!(shown["expiresAt"], first["expiresAt"]);

    let rotate = api.post(format!("{}/rotate", of(&first))).by(&token);
    let second = rotate.json(&json!({ "overlapSeconds": 60 })).to().await.json();
    assert!(works(&api, &acme.agent.id, &secret(&first)));
    assert!(works(&api, &acme.agent.id, &secret(&second)));
    api.test.clock.step(std::time::Duration::from_secs(120));
    assert!(!works(&api, &acme.agent.id, &secret(&first)), "the overlap is over");
    let token = api.token(&acme.org.id, ALL);
    for _ in 0..2 {
        assert_eq!(api.delete(of(&second)).by(&token).to().await.status, 204, "and again");
    }
    assert!(!works(&api, &acme.agent.id, &secret(&second)));
    let rotated = api.post(format!("{}/rotate", of(&second))).by(&token).to().await;
    rotated.problem(409, "not_active");

    let listed = api.pages(&path, &token, 1).await;
    assert_eq!(listed.len(), 3, "that of the tenant, and these two");
    assert!(listed.iter().all(|credential| credential.get("clientSecret").is_none()));
    assert_eq!(listed[2]["status"], "revoked");
    api.test.finish();
}

#[tokio::test]
async fn a_secret_is_issued_without_a_body_and_a_key_with_one() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let path = format!("/agents/{}/credentials", acme.agent.id);
    let plain = api.post(&path).by(&token).to().await.json();
    assert!(plain.get("expiresAt").is_none() && plain["kind"] == "secret");
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = api.post(&path).by(&token).json(&json!({ "publicKey": jwk })).to().await.json();
    assert!(key.get("clientSecret").is_none() && key["kind"] == "public_key");
    for bad in [
        json!({ "expiresInSeconds": 0 }),
        json!({ "expiresInSeconds": -1 }),
        json!({ "expiresInSeconds": 3_155_760_001_i64 }),
        json!({ "expiresInSeconds": "90d" }),
        json!({ "clientSecret": "mine" }),
    ] {
        api.post(&path).by(&token).json(&bad).to().await.problem(400, "invalid_input");
    }
    let bad = json!({ "publicKey": "no key" });
    api.post(&path).by(&token).json(&bad).to().await.problem(400, "invalid_key");
    api.test.finish();
}

#[tokio::test]
async fn a_credential_is_that_of_the_agent_in_the_path() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let (other, _) = api.agent_with(&acme.org.id, &[]);
    let (own, foreign) = (&acme.credential.credential().id, &globex.credential.credential().id);
    for (method, rest) in [("GET", ""), ("DELETE", ""), ("POST", "/rotate")] {
        let told = async |agent: &str, credential: &str| {
            let path = format!("/agents/{agent}/credentials/{credential}{rest}");
            api.ask(method, path).by(&token).to().await.told()
        };
        let missing = told(acme.agent.id.as_str(), MISSING).await;
        assert_eq!(missing.0, 404);
        for (agent, credential) in [
            (other.as_str(), own.as_str()),
            (MISSING, own.as_str()),
            ("nothing", own.as_str()),
            (acme.agent.id.as_str(), foreign.as_str()),
            (globex.agent.id.as_str(), foreign.as_str()),
            (acme.agent.id.as_str(), "nothing"),
        ] {
            assert_eq!(told(agent, credential).await, missing, "{method} {agent} {credential}");
        }
    }
    assert!(works(&api, &acme.agent.id, acme.credential.secret()));
    assert!(works(&api, &globex.agent.id, globex.credential.secret()));
    let list = async |agent: &str| {
        api.get(format!("/agents/{agent}/credentials")).by(&token).to().await.told()
    };
    assert_eq!(list(globex.agent.id.as_str()).await, list(MISSING).await);
    api.test.finish();
}

#[tokio::test]
async fn each_route_asks_for_its_scope() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let nothing = api.token(&acme.org.id, &["tools:read", "openid"]);
    let reader = api.token(&acme.org.id, &["tools:read", "openid", "credentials:read"]);
    let writer = api.token(&acme.org.id, &["tools:read", "openid", "credentials:write"]);
    let path = format!("/agents/{}/credentials", acme.agent.id);
    let one = format!("{path}/{}", acme.credential.credential().id);
    for (method, path, scope) in [
        ("GET", path.clone(), "credentials:read"),
        ("GET", one.clone(), "credentials:read"),
        ("POST", path.clone(), "credentials:write"),
        ("POST", format!("{one}/rotate"), "credentials:write"),
        ("DELETE", one.clone(), "credentials:write"),
    ] {
        let other = if scope == "credentials:read" { &writer } else { &reader };
        for token in [&nothing, other] {
            let denied = api.ask(method, &path).by(token).to().await;
            denied.problem(403, "insufficient_scope");
            let challenge = denied.header("www-authenticate");
            assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
        }
    }
    // Ending the tokens, too, is another right.
    let ends = api.delete(format!("{one}?revokeTokens=true")).by(&writer).to().await;
    ends.problem(403, "insufficient_scope");
    let odd = api.delete(format!("{one}?revokeTokens=yes")).by(&writer).to().await;
    odd.problem(400, "invalid_input");
    assert_eq!(api.delete(&one).by(&writer).to().await.status, 204);
    api.test.finish();
}
