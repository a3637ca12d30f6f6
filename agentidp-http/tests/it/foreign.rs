//! What belongs to another organization is answered like what is not there, by each operation of the document
//! that takes an identifier.

use agentidp_core::{AgentId, Role};
use serde_json::{Value, json};

use crate::api::{Api, MISSING};

const SCOPES: [&str; 6] = [
    "agents:read",
    "agents:write",
    "credentials:read",
    "credentials:write",
    "audit:read",
    "tools:read",
];
const JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// A body that the operation would take, where it wants one.
fn body_of(operation: &str, agent: &str) -> Option<Value> {
    Some(match operation {
        "updateAgent" | "updateOrganization" => json!({ "name": "mine" }),
        "addAgentKey" => json!({ "publicKey": JWK }),
        "addMember" => json!({ "agentId": agent, "role": "member" }),
        "setMemberRole" => json!({ "role": "admin" }),
        _ => return None,
    })
}

/// The path with those identifiers: of the organization or the agent, and of what is its.
fn path(template: &str, of: impl Fn(&str) -> String) -> String {
    let part = |part: &str| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        name.map_or(part.to_owned(), &of)
    };
    template.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn what_is_another_s_is_answered_like_what_is_not_there() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let (owner, token) = api.agent_with(&acme.org.id, &SCOPES);
    for (tenant, id) in [(&acme, owner.as_str()), (&globex, globex.agent.id.as_str())] {
        let id = AgentId::parse(id).expect("an id");
        api.test.idp.org(&tenant.org.id).add_member(&id, Role::Owner).expect("an owner");
    }
    let theirs = api.test.idp.org(&globex.org.id);
    let key = theirs.agent_keys(&globex.agent.id).expect("keys").remove(0);
    let before = theirs.footprint().expect("a footprint");
    let (mut asked, document) = (0, api.declared.0["paths"].clone());
    for (template, item) in document.as_object().expect("paths") {
        if !template.contains('{') {
            continue;
        }
        let is_agents = template.starts_with("/agents");
        let foreign = |name: &str| match name {
            "id" if is_agents => globex.agent.id.to_string(),
            "id" => globex.org.id.to_string(),
            "agentId" => globex.agent.id.to_string(),
            "cid" => globex.credential.credential().id.to_string(),
            "kid" => key.kid.clone(),
            other => panic!("{template}: {other}"),
        };
        for (method, operation) in item.as_object().expect("operations") {
            let operation = operation["operationId"].as_str().expect("an id");
            let told = async |path: String| {
                let method = match method.as_str() {
                    "get" => "GET",
                    "post" => "POST",
                    "patch" => "PATCH",
                    _ => "DELETE",
                };
                let ask = api.ask(method, path).by(&token);
                match body_of(operation, &owner) {
                    Some(body) => ask.json(&body).to().await.told(),
                    None => ask.to().await.told(),
                }
            };
            let missing = told(path(template, |_| MISSING.to_owned())).await;
            assert_eq!(told(path(template, foreign)).await, missing, "{operation}");
            // Some verbs are the instance's administrators' alone, whatever they are asked about.
            assert!(
                missing.0 == 404 || (missing.0 == 403 && !is_agents),
                "{operation} {missing:?}"
            );
            // One of its own, and what is another's in it.
            let own = |name: &str| match name {
                "id" if is_agents => acme.agent.id.to_string(),
                "id" => acme.org.id.to_string(),
                other => foreign(other),
            };
            let nobodys = |name: &str| if name == "id" { own(name) } else { MISSING.to_owned() };
            if path(template, own) != path(template, nobodys) {
                assert_eq!(
                    told(path(template, own)).await,
                    told(path(template, nobodys)).await,
                    "{operation}"
                );
            }
            asked += 1;
        }
    }
    assert!(asked >= 24, "{asked} operations");
    assert_eq!(theirs.footprint().expect("a footprint"), before);
    api.test.finish();
}
