//! Members: added, given another role, removed; the last owner stays.

use agentidp_core::{AgentId, Role};
use serde_json::json;

use crate::api::{Api, MISSING};

#[tokio::test]
async fn an_owner_manages_the_members_of_its_organization() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let (owner, token) = api.agent_with(&acme.org.id, &["agents:read"]);
    let org = api.test.idp.org(&acme.org.id);
    org.add_member(&AgentId::parse(&owner).expect("an id"), Role::Owner).expect("an owner");
    let path = format!("/organizations/{}/members", acme.org.id);
    let body = json!({ "agentId": acme.agent.id, "role": "member" });
    let added = api.post(&path).by(&token).json(&body).to().await;
    assert_eq!((added.status.as_u16(), &added.json()["role"]), (201, &json!("member")));
    let listed = api.pages(&path, &token, 1).await;
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&added.json()));
    let member = format!("{path}/{}", acme.agent.id);
    let raised = api.patch(&member).by(&token).json(&json!({ "role": "admin" })).to().await;
    assert_eq!(raised.json()["role"], "admin");
    let conflict = api.post(&path).by(&token).json(&body).to().await;
    conflict.problem(409, "already_member");
    assert_eq!(api.delete(&member).by(&token).to().await.status, 204);
    api.delete(&member).by(&token).to().await.problem(404, "not_found");
    let last = api.delete(format!("{path}/{owner}")).by(&token).to().await;
    last.problem(409, "last_owner");
    // The agent of another organization is none that could be a member.
    let told = async |agent: &str| {
        let body = json!({ "agentId": agent, "role": "member" });
        api.post(&path).by(&token).json(&body).to().await.told()
    };
    assert_eq!(told(globex.agent.id.as_str()).await, told(MISSING).await);
    assert_eq!(told(MISSING).await.0, 404);
    api.test.finish();
}

#[tokio::test]
async fn who_has_no_role_manages_nobody() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let (agent, token) = api.agent_with(&acme.org.id, &["agents:write", "credentials:write"]);
    let path = format!("/organizations/{}/members", acme.org.id);
    let member = format!("{path}/{agent}");
    let body = json!({ "agentId": agent, "role": "owner" });
    api.post(&path).by(&token).json(&body).to().await.problem(403, "forbidden");
    api.patch(&member)
        .by(&token)
        .json(&json!({"role":"owner"}))
        .to()
        .await
        .problem(403, "forbidden");
    api.delete(&member).by(&token).to().await.problem(403, "forbidden");
    for bad in [json!({}), json!({ "agentId": agent }), json!({ "agentId": "x", "role": "owner" })]
    {
        let refused = api.post(&path).by(&token).json(&bad).to().await;
        refused.problem(400, "invalid_input");
    }
    let unknown = api.patch(&member).by(&token).json(&json!({ "role": "king" })).to().await;
    unknown.problem(400, "invalid_input");
    api.test.finish();
}
