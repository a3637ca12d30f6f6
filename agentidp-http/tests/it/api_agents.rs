//! Agents: registered, found, changed and ended, each by its scope and in one's own organization.

use agentidp_core::{AgentChanges, AgentFilter, PageRequest};
use serde_json::{Value, json};

use crate::api::{Api, MISSING};

const ALL: &[&str] = &["agents:read", "agents:write", "tools:read"];

#[tokio::test]
async fn an_agent_is_registered_found_and_listed_to_the_end() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let body = json!({
        "name": "invoice-bot", "description": "Writes invoices.", "owner": "Ada",
        "scopes": ["tools:read"], "audiences": ["https://api.example.com"],
        "capabilities": ["nlp/text_completion"], "url": "https://bot.example.com/",
        "tokenLifeSecondsMax": 600, "tokenAlg": "EdDSA", "publicKeys": [],
    });
    let made = api.post("/agents").by(&token).json(&body).to().await;
    assert_eq!(made.status, 201, "{made:?}");
    let agent = made.json();
    for name in [
        "name",
        "description",
        "owner",
        "scopes",
        "audiences",
        "capabilities",
        "url",
        "tokenLifeSecondsMax",
        "tokenAlg",
    ] {
        assert_eq!(agent[name], body[name], "{name}");
    }
    assert_eq!(agent["organizationId"], json!(acme.org.id), "it is the token's organization");
    let path = format!("/agents/{}", agent["agentId"].as_str().expect("an id"));
    assert_eq!(made.header("location"), format!("https://idp.example.com{path}"));
    assert_eq!(api.get(&path).by(&token).to().await.json(), agent);
    for at in 0..5 {
        let body = json!({ "name": format!("bot {at}") });
        assert_eq!(api.post("/agents").by(&token).json(&body).to().await.status, 201);
    }
    let ids = |agents: &[Value]| -> Vec<Value> {
        agents.iter().map(|agent| agent["agentId"].clone()).collect()
    };
    let all = api.pages("/agents", &token, 500).await;
    assert_eq!(all.len(), 8);
    for limit in [1, 3, 4, 8] {
        assert_eq!(ids(&api.pages("/agents", &token, limit).await), ids(&all), "{limit}");
    }
    assert!(all.iter().all(|agent| agent["organizationId"] == json!(acme.org.id)));
    assert!(!ids(&all).contains(&json!(globex.agent.id)));
    let owned = api.get("/agents?owner=Ada").by(&token).to().await.json();
    assert_eq!(owned["items"], json!([agent]));
    let both = api.get("/agents?owner=Ada&status=active").by(&token).to().await.json();
    assert_eq!(both["items"], json!([agent]));
    let neither = api.get("/agents?owner=Ada&status=suspended").by(&token).to().await.json();
    assert_eq!(neither, json!({ "items": [] }));
    let org = api.test.idp.org(&acme.org.id);
    let made = org.list_agents(&AgentFilter::All, &PageRequest::first()).expect("agents").items;
    for agent in &made[..5] {
        let owned = AgentChanges::new().owner("Grace");
        org.update_agent(&agent.id, &owned).expect("a change");
    }
    org.suspend_agent(&made[4].id).expect("it is suspended");
    let page = api.get("/agents?owner=Grace&status=suspended&limit=1").by(&token).to().await.json();
    assert_eq!(
        ids(page["items"].as_array().expect("a list")),
        [json!(made[4].id)],
        "the page is full"
    );
    let none = api.get("/agents?status=decommissioned").by(&token).to().await.json();
    assert_eq!(none, json!({ "items": [] }));
    api.test.finish();
}

#[tokio::test]
async fn a_list_is_asked_for_by_what_it_takes() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let organization = format!("organization={}", acme.org.id);
    for bad in [
        "limit=0",
        "limit=501",
        "limit=ten",
        "limit=-1",
        "limit=5&limit=5",
        "cursor=nothing",
        "cursor=%00",
        "status=merry",
        "offset=5",
        "organization_id=x",
        &organization,
        &format!("owner={}", "x".repeat(201)),
    ] {
        let refused = api.get(format!("/agents?{bad}")).by(&token).to().await;
        refused.problem(400, "invalid_input");
    }
    api.get(format!("/agents/{MISSING}?x=y")).by(&token).to().await.problem(400, "invalid_input");
    api.test.finish();
}

#[tokio::test]
async fn a_merge_patch_keeps_replaces_and_removes() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let body = json!({ "name": "a", "description": "d", "owner": "Ada", "scopes": ["tools:read"],
        "url": "https://a.example/", "tokenLifeSecondsMax": 600, "tokenAlg": "EdDSA" });
    let made = api.post("/agents").by(&token).json(&body).to().await;
    let path = format!("/agents/{}", made.json()["agentId"].as_str().expect("an id"));
    let patch = json!({ "name": "b", "owner": null, "url": null, "tokenLifeSecondsMax": null,
        "tokenAlg": null, "scopes": [], "capabilities": ["x"] });
    let patched = api
        .patch(&path)
        .by(&token)
        .field("if-match", made.header("etag"))
        .body("application/merge-patch+json; charset=utf-8", patch.to_string())
        .to()
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let agent = patched.json();
    assert_eq!((&agent["name"], &agent["description"]), (&json!("b"), &json!("d")));
    assert_eq!((&agent["scopes"], &agent["capabilities"]), (&json!([]), &json!(["x"])));
    for removed in ["owner", "url", "tokenLifeSecondsMax", "tokenAlg"] {
        assert!(agent.get(removed).is_none(), "{removed}");
    }
    let stale = api.patch(&path).by(&token).field("if-match", made.header("etag"));
    stale.json(&json!({ "name": "c" })).to().await.problem(412, "precondition_failed");
    let weak =
        api.patch(&path).by(&token).field("if-match", format!("W/{}", patched.header("etag")));
    weak.json(&json!({ "name": "c" })).to().await.problem(412, "precondition_failed");
    assert_eq!(api.get(&path).by(&token).to().await.json()["name"], "b");
    for bad in [
        json!({ "name": null }),
        json!({ "tokenAlg": "none" }),
        json!({ "tokenAlg": "HS256" }),
        json!({ "scopes": null }),
        json!({ "status": "active" }),
        json!({ "agentId": MISSING }),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(201) }),
        json!({ "tokenLifeSecondsMax": 1 }),
    ] {
        api.patch(&path).by(&token).json(&bad).to().await.problem(400, "invalid_input");
    }
    let granted = api.patch(&path).by(&token).json(&json!({ "scopes": ["more:write"] })).to().await;
    granted.problem(403, "insufficient_scope");
    let known = api.get(&path).by(&token).field("if-none-match", patched.header("etag")).to().await;
    assert_eq!(known.status, 304);
    api.test.finish();
}

#[tokio::test]
async fn an_agent_is_suspended_reactivated_and_decommissioned() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, ALL);
    let path = format!("/agents/{}", acme.agent.id);
    for (verb, status) in
        [("suspend", "suspended"), ("suspend", "suspended"), ("reactivate", "active")]
    {
        let turned = api.post(format!("{path}/{verb}")).by(&token).to().await;
        assert_eq!(turned.json()["status"], status, "{verb}");
    }
    for name in ["if-match", "if-unmodified-since"] {
        let guarded = api.delete(&path).by(&token).field(name, "*").to().await;
        guarded.problem(400, "invalid_input");
    }
    assert_eq!(api.delete(&path).by(&token).to().await.status, 204);
    assert_eq!(api.get(&path).by(&token).to().await.json()["status"], "decommissioned");
    api.post(format!("{path}/reactivate")).by(&token).to().await.problem(409, "decommissioned");
    let renamed = api.patch(&path).by(&token).json(&json!({ "name": "x" })).to().await;
    renamed.problem(409, "decommissioned");
    api.test.finish();
}

#[tokio::test]
async fn keys_are_listed_added_and_rotated() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, &["agents:read", "agents:write", "tools:read", "openid"]);
    let path = format!("/agents/{}", acme.agent.id);
    let keys = async || api.get(format!("{path}/keys")).by(&token).to().await.json();
    let first = keys().await;
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1));
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let body = json!({ "publicKey": jwk });
    let added = api.post(format!("{path}/keys")).by(&token).json(&body).to().await;
    assert_eq!((added.status.as_u16(), &added.json()["custody"]), (201, &json!("held_by_agent")));
    let again = api.post(format!("{path}/keys")).by(&token).json(&body).to().await;
    again.problem(409, "already_exists");
    let secret = json!({ "publicKey": r#"{"kty":"oct","k":"AAAA"}"# });
    let refused = api.post(format!("{path}/keys")).by(&token).json(&secret).to().await;
    refused.problem(400, "invalid_key");
    let rotated = api.post(format!("{path}/rotate-keys")).by(&token).to().await;
    assert_eq!(rotated.json()["custody"], "custodial");
    let at_once = api.post(format!("{path}/rotate-keys")).by(&token);
    let at_once = at_once.json(&json!({ "overlapSeconds": 0 })).to().await;
    assert_eq!(at_once.status, 200, "{at_once:?}");
    let long = api.post(format!("{path}/rotate-keys")).by(&token);
    let long = long.json(&json!({ "overlapSeconds": 7_776_001 })).to().await;
    long.problem(400, "invalid_input");
    assert_eq!(keys().await["items"].as_array().map(Vec::len), Some(3));
    let kid = added.json()["kid"].as_str().expect("a kid").to_owned();
    let end = async |kid: &str| {
        let ask = api.ask("DELETE", format!("{path}/keys/{kid}")).by(&token);
        ask.to().await
    };
    assert_eq!(end(&kid).await.status, 204);
    assert_eq!(keys().await["items"].as_array().map(Vec::len), Some(2));
    for gone in [&kid, "nobodys", "%C3%28"] {
        end(gone).await.problem(404, "not_found");
    }
    api.test.finish();
}

#[tokio::test]
async fn every_route_asks_for_its_scope_and_keeps_strangers_out() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let nothing = api.token(&acme.org.id, &["tools:read"]);
    let everything = api.token(&acme.org.id, ALL);
    let routes = [
        ("GET", "/agents/{id}", "agents:read", None),
        ("PATCH", "/agents/{id}", "agents:write", Some(json!({ "name": "mine" }))),
        ("DELETE", "/agents/{id}", "agents:write", None),
        ("POST", "/agents/{id}/suspend", "agents:write", None),
        ("POST", "/agents/{id}/reactivate", "agents:write", None),
        ("POST", "/agents/{id}/rotate-keys", "agents:write", None),
        ("GET", "/agents/{id}/keys", "agents:read", None),
        ("DELETE", "/agents/{id}/keys/nobodys", "agents:write", None),
        ("GET", "/agents", "agents:read", None),
        ("POST", "/agents", "agents:write", Some(json!({ "name": "bot" }))),
    ];
    for (method, path, scope, body) in routes {
        let ask = async |token: &str, id: &str| {
            let ask = api.ask(method, path.replace("{id}", id)).by(token);
            match &body {
                Some(body) => ask.json(body).to().await,
                None => ask.to().await,
            }
        };
        for id in [acme.agent.id.as_str(), globex.agent.id.as_str(), "nothing"] {
            let denied = ask(&nothing, id).await;
            denied.problem(403, "insufficient_scope");
            let challenge = denied.header("www-authenticate");
            assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
        }
        if path.contains("{id}") {
            let missing = ask(&everything, MISSING).await.told();
            assert_eq!(missing.0, 404, "{method} {path}");
            for id in [globex.agent.id.as_str(), "nothing", "%C3%28"] {
                assert_eq!(ask(&everything, id).await.told(), missing, "{method} {path} {id}");
            }
        }
    }
    let theirs = api.test.idp.org(&globex.org.id).agent(&globex.agent.id).expect("it is there");
    let before = &globex.agent;
    assert_eq!((&theirs.name, theirs.status), (&before.name, before.status));
    api.test.finish();
}
