//! One token for another (RFC 8693).

use agentidp_core::{NewAgent, NewCredential};
use agentidp_testkit::{ISSUER, Tenant};
use serde_json::{Value, json};

use crate::forms::{INTROSPECT, Post, TOKEN, parts, post, token};
use crate::served::{Answer, Served};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn exchange(subject: &str) -> Post {
    let request = post(TOKEN).with("grant_type", GRANT).with("subject_token", subject);
    request.with("subject_token_type", ACCESS_TOKEN)
}

fn agent_of(served: &Served, tenant: &Tenant, name: &str) -> Tenant {
    let handle = served.test.idp.org(&tenant.org.id);
    let agent = NewAgent::new(name).scope("tools:read").scope("tools:write");
    let agent = handle.register_agent(agent).expect("an agent");
    let credential =
        handle.issue_credential(&agent.id, NewCredential::default()).expect("a secret");
    Tenant { org: tenant.org.clone(), agent, credential }
}

/// A token of `owner` for us, which lets `actor` act.
async fn token_for(served: &Served, owner: &Tenant, actor: &Tenant) -> String {
    let request = token().with("resource", ISSUER).with("may_act", actor.agent.id.as_str());
    let answer = request.with("scope", "tools:read").by(owner).to(served).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

fn is_refused(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["error"], error);
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_agent_acts_for_another_that_lets_it() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let helper = agent_of(&served, &acme, "helper");
    let subject = token_for(&served, &acme, &helper).await;
    let request = exchange(&subject).with("requested_token_type", ACCESS_TOKEN);
    let request = request.with("resource", ISSUER).with("audience", ISSUER);
    let answer = request.by(&helper).to(&served).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "tools:read");
    assert_eq!(body.get("id_token"), None);
    assert_eq!(body.get("refresh_token"), None);
    let token = body["access_token"].as_str().expect("a token");
    let (_, claims) = parts(token);
    assert_eq!(claims["sub"], acme.agent.id.as_str());
    assert_eq!(claims["client_id"], helper.agent.id.as_str());
    assert_eq!(claims["act"], json!({ "sub": helper.agent.id }));
    assert!(claims["exp"].as_i64() <= parts(&subject).1["exp"].as_i64(), "no longer life");
    let told = post(INTROSPECT).with("token", token).by(&helper).to(&served).await.json();
    assert_eq!((&told["active"], &told["act"]), (&json!(true), &claims["act"]));
    // Whoever is in the chain and may act no more ends it.
    let handle = served.test.idp.org(&acme.org.id);
    handle.suspend_agent(&helper.agent.id).expect("suspended");
    let told = post(INTROSPECT).with("token", token).by(&acme).to(&served).await;
    assert_eq!(told.body, r#"{"active":false}"#);
    served.test.finish();
}

#[tokio::test]
async fn nobody_acts_for_another_without_leave() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let helper = agent_of(&served, &acme, "helper");
    let stranger = agent_of(&served, &acme, "stranger");
    let foreign = agent_of(&served, &globex, "foreign");
    let subject = token_for(&served, &acme, &helper).await;
    let without = served.token_of(&acme, "tools:read").await;
    let without = without["access_token"].as_str().expect("a token");
    let of_stranger = token_for(&served, &stranger, &stranger).await;
    for request in [
        exchange(&subject).by(&stranger),
        exchange(&subject).by(&globex),
        exchange(&token_for(&served, &acme, &foreign).await).by(&foreign),
        exchange(without).by(&helper),
        exchange("x").by(&helper),
        exchange(&subject)
            .with("actor_token", "x")
            .with("actor_token_type", ACCESS_TOKEN)
            .by(&helper),
        exchange(&subject)
            .with("actor_token", &of_stranger)
            .with("actor_token_type", ACCESS_TOKEN)
            .by(&helper),
    ] {
        is_refused(&request.to(&served).await, "invalid_request");
    }
    is_refused(
        &exchange(&subject).with("scope", "tools:write").by(&helper).to(&served).await,
        "invalid_scope",
    );
    let elsewhere = exchange(&subject).with("audience", "https://other.example").by(&helper);
    is_refused(&elsewhere.to(&served).await, "invalid_target");
    served.test.idp.org(&acme.org.id).suspend_agent(&acme.agent.id).expect("suspended");
    is_refused(&exchange(&subject).by(&helper).to(&served).await, "invalid_request");
    served.test.finish();
}

#[tokio::test]
async fn the_types_of_tokens_are_said() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let helper = agent_of(&served, &acme, "helper");
    let subject = token_for(&served, &acme, &helper).await;
    let own = token_for(&served, &helper, &helper).await;
    let bare = || post(TOKEN).with("grant_type", GRANT);
    let id_token = "urn:ietf:params:oauth:token-type:id_token";
    for request in [
        bare(),
        bare().with("subject_token", &subject),
        bare().with("subject_token_type", ACCESS_TOKEN),
        bare().with("subject_token", &subject).with("subject_token_type", id_token),
        exchange(&subject).with("actor_token", &own),
        exchange(&subject).with("actor_token_type", ACCESS_TOKEN),
        exchange(&subject).with("actor_token", &own).with("actor_token_type", id_token),
        exchange(&subject).with("requested_token_type", id_token),
        token().with("may_act", "nobody"),
    ] {
        is_refused(&request.by(&helper).to(&served).await, "invalid_request");
    }
    let with_actor = exchange(&subject).with("actor_token", &own);
    let answer = with_actor.with("actor_token_type", ACCESS_TOKEN).by(&helper).to(&served).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = answer.json();
    let (_, claims) = parts(body["access_token"].as_str().expect("a token"));
    assert_eq!(claims["act"]["sub"], helper.agent.id.as_str());
    assert_eq!(bare().with("subject_token", &subject).to(&served).await.status, 401, "no client");
    served.test.finish();
}
