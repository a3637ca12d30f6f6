//! What belongs to another organization is answered like what is not there, by each operation of the document
//! that takes an identifier.

use agentidp_core::{AgentId, Role};
use agentidp_testkit::Tenant;
use serde_json::{Value, json};

use crate::api::{Api, MISSING};
use crate::declared::Operation;

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

/// What the parameters of a path name.
struct Ids {
    organization: String,
    agent: String,
    credential: String,
    kid: String,
}

impl Ids {
    fn nobodys() -> Ids {
        let [organization, agent, credential, kid] = [(); 4].map(|()| MISSING.to_owned());
        Ids { organization, agent, credential, kid }
    }

    fn of(api: &Api, tenant: &Tenant) -> Ids {
        let keys = api.test.idp.org(&tenant.org.id).agent_keys(&tenant.agent.id).expect("keys");
        Ids {
            organization: tenant.org.id.to_string(),
            agent: tenant.agent.id.to_string(),
            credential: tenant.credential.credential().id.to_string(),
            kid: keys.first().expect("a key").kid.clone(),
        }
    }
}

/// The operation's path to what is of `outer`, and in that to what is of `inner`.
fn path(operation: &Operation<'_>, outer: &Ids, inner: &Ids) -> String {
    operation.path(|name| match name {
        "id" if operation.template.starts_with("/agents") => outer.agent.clone(),
        "id" => outer.organization.clone(),
        "agentId" => inner.agent.clone(),
        "cid" => inner.credential.clone(),
        "kid" => inner.kid.clone(),
        other => panic!("{}: {other}", operation.template),
    })
}

#[tokio::test]
async fn what_is_another_s_is_answered_like_what_is_not_there() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let (owner, token) = api.agent_with(&acme.org.id, &SCOPES);
    let role = |tenant: &Tenant, agent: &AgentId| {
        api.test.idp.org(&tenant.org.id).add_member(agent, Role::Owner).expect("an owner");
    };
    role(&acme, &AgentId::parse(&owner).expect("an id"));
    role(&globex, &globex.agent.id);
    let (own, theirs, nobodys) = (Ids::of(&api, &acme), Ids::of(&api, &globex), Ids::nobodys());
    let left = || api.test.idp.org(&globex.org.id).footprint().expect("a footprint");
    let (before, mut asked) = (left(), 0);
    for operation in api.declared.operations().filter(|it| it.template.contains('{')) {
        let id = operation.described["operationId"].as_str().expect("an id");
        let told = async |outer: &Ids, inner: &Ids| {
            let ask = api.ask(operation.method, path(&operation, outer, inner)).by(&token);
            match body_of(id, &owner) {
                Some(body) => ask.json(&body).to().await.told(),
                None => ask.to().await.told(),
            }
        };
        let missing = told(&nobodys, &nobodys).await;
        assert_eq!(told(&theirs, &theirs).await, missing, "{id}");
        // Some verbs are the instance's administrators' alone, whatever they are asked about.
        let is_agents = operation.template.starts_with("/agents");
        assert!(missing.0 == 404 || (missing.0 == 403 && !is_agents), "{id} {missing:?}");
        if operation.template.matches('{').count() > 1 {
            assert_eq!(told(&own, &theirs).await, told(&own, &nobodys).await, "{id}");
        }
        asked += 1;
    }
    assert!(asked >= 24, "{asked} operations");
    assert_eq!(left(), before);
    api.test.finish();
}
