//! Organizations: who may, what changes, and what a stranger learns.

use agentidp_core::OrgId;
use serde_json::json;

use crate::api::{Api, MISSING};

#[tokio::test]
async fn an_organization_is_made_found_and_listed() {
    let api = Api::new().await;
    let admin = api.administrator();
    let body = json!({ "slug": "acme", "name": "Acme Ltd", "planTier": "pro", "maxAgents": 7 });
    let made = api.post("/organizations").by(&admin).json(&body).to().await;
    assert_eq!(made.status, 201);
    let org = made.json();
    let path = format!("/organizations/{}", org["organizationId"].as_str().expect("an id"));
    assert_eq!(made.header("location"), format!("https://idp.example.com{path}"));
    assert_eq!((&org["name"], &org["maxAgents"]), (&json!("Acme Ltd"), &json!(7)));
    let shown = api.get(&path).by(&admin).to().await;
    assert_eq!(shown.json(), org);
    assert_eq!(shown.header("etag"), made.header("etag"));
    let listed = api.pages("/organizations", &admin, 1).await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1], org);
    let again = api.post("/organizations").by(&admin).json(&json!({ "slug": "acme" })).to().await;
    again.problem(409, "slug_taken");
    let reserved = api.post("/organizations").by(&admin).json(&json!({ "slug": "admin" })).to();
    reserved.await.problem(400, "slug_reserved");
    api.test.finish();
}

#[tokio::test]
async fn a_foreign_organization_is_answered_like_a_missing_one() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let token = api.token(&acme.org.id, &["agents:read", "agents:write"]);
    let foreign = globex.org.id.as_str();
    let member = json!({ "agentId": globex.agent.id, "role": "member" });
    for (method, rest, body) in [
        ("GET", "", None),
        ("PATCH", "", Some(json!({ "name": "mine" }))),
        ("GET", "/usage", None),
        ("GET", "/members", None),
        ("POST", "/members", Some(member)),
        ("DELETE", "/members/01900000-0000-7000-8000-000000000002", None),
    ] {
        let ask = async |id: &str| {
            let ask = api.ask(method, format!("/organizations/{id}{rest}")).by(&token);
            match &body {
                Some(body) => ask.json(body).to().await.told(),
                None => ask.to().await.told(),
            }
        };
        let missing = ask(MISSING).await;
        assert_eq!(missing.0, 404, "{method} {rest}: {missing:?}");
        for id in [foreign, "nothing", "%ff", "..%2f"] {
            assert_eq!(ask(id).await, missing, "{method} {rest} {id}");
        }
    }
    assert_eq!(api.test.idp.org(&globex.org.id).get().expect("it").name, "globex");
    api.test.finish();
}

#[tokio::test]
async fn only_the_instance_s_administrators_make_and_end_organizations() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let token = api.token(&acme.org.id, &["agents:write"]);
    let own = format!("/organizations/{}", acme.org.id);
    for (method, path, body) in [
        ("POST", "/organizations".to_owned(), Some(json!({ "slug": "mine" }))),
        ("GET", "/organizations".to_owned(), None),
        ("PATCH", own.clone(), Some(json!({ "maxAgents": 1 }))),
        ("DELETE", own.clone(), None),
        ("POST", format!("{own}/suspend"), None),
        ("POST", format!("{own}/activate"), None),
    ] {
        let ask = api.ask(method, &path).by(&token);
        let answer = match &body {
            Some(body) => ask.json(body).to().await,
            None => ask.to().await,
        };
        answer.problem(403, "insufficient_scope");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains("scope=\"admin:orgs\""), "{method} {path}: {challenge}");
    }
    // One's own can be looked at, with any token of it; the name is for who manages it.
    assert_eq!(api.get(&own).by(&token).to().await.json()["slug"], "acme");
    let renamed = api.patch(&own).by(&token).json(&json!({ "name": "x" })).to().await;
    renamed.problem(403, "forbidden");

    let admin = api.administrator();
    let path = format!("/organizations/{}", globex.org.id);
    let suspended = api.post(format!("{path}/suspend")).by(&admin).to().await;
    assert_eq!(suspended.json()["status"], "suspended");
    let active = api.post(format!("{path}/activate")).by(&admin).to().await;
    assert_eq!(active.json()["status"], "active");
    for _ in 0..2 {
        assert_eq!(api.delete(&path).by(&admin).to().await.status, 204, "and again");
    }
    assert_eq!(api.get(&path).by(&admin).to().await.json()["status"], "deleted");
    let system = format!("/organizations/{}", OrgId::system());
    api.delete(&system).by(&admin).to().await.problem(409, "system_org");
    api.test.finish();
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_at_the_version_that_it_expects() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let admin = api.administrator();
    let path = format!("/organizations/{}", acme.org.id);
    let first = api.get(&path).by(&admin).to().await;
    let tag = first.header("etag").to_owned();
    let patch = json!({ "name": "Acme", "tokenLifeSecondsMax": 600, "planTier": "pro" });
    let patched = api
        .patch(&path)
        .by(&admin)
        .field("if-match", &tag)
        .body("application/merge-patch+json", patch.to_string())
        .to()
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let org = patched.json();
    assert_eq!(org["name"], "Acme");
    assert_eq!(org["tokenLifeSecondsMax"], 600);
    assert_eq!(org["maxAgents"], first.json()["maxAgents"], "what is absent stays");
    assert_ne!(patched.header("etag"), tag);
    let stale = api.patch(&path).by(&admin).field("if-match", &tag).json(&json!({"name":"x"}));
    stale.to().await.problem(412, "precondition_failed");
    // One of several, and any.
    let tags = format!("{tag}, {}", patched.header("etag"));
    let removed = api.patch(&path).by(&admin).field("if-match", tags);
    let removed = removed.json(&json!({ "tokenLifeSecondsMax": null })).to().await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert!(removed.json().get("tokenLifeSecondsMax").is_none());
    let any = api.patch(&path).by(&admin).field("if-match", "*").json(&json!({})).to().await;
    assert_eq!(any.header("etag"), removed.header("etag"), "nothing changed");
    for bad in [json!({ "name": null }), json!({ "slug": "x" }), json!({ "maxAgents": -1 })] {
        let refused = api.patch(&path).by(&admin).json(&bad).to().await;
        refused.problem(400, "invalid_input");
    }
    let known = api.get(&path).by(&admin).field("if-none-match", any.header("etag")).to().await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
    api.test.finish();
}

#[tokio::test]
async fn usage_tells_of_the_month() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, &["agents:read"]);
    let usage = api.get(format!("/organizations/{}/usage", acme.org.id)).by(&token).to().await;
    assert_eq!(usage.json(), json!({ "month": "2026-11", "issued": 1, "limit": 1_000_000_000 }));
    api.test.finish();
}
