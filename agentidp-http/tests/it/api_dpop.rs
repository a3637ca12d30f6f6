//! The API, asked with tokens that are bound to a key (RFC 9449 section 7).

use agentidp_core::{Alg, NewAgent, NewCredential};
use agentidp_testkit::{ISSUER, Tenant};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::forms::{TOKEN, parts, token};
use crate::pen::Pen;
use crate::served::{Answer, Served};

const AGENTS: &str = "/agents";

/// An agent of the tenant's organization that manages agents by a token which is bound to a key.
struct Manager<'a> {
    served: &'a Served,
    pen: Pen,
    token: String,
}

impl<'a> Manager<'a> {
    async fn of(served: &'a Served, tenant: &Tenant) -> Manager<'a> {
        let handle = served.test.idp.org(&tenant.org.id);
        let new = NewAgent::new("manager").scope("agents:read").scope("agents:write");
        let agent = handle.register_agent(new).expect("an agent");
        let credential = handle.issue_credential(&agent.id, NewCredential::default());
        let credential = credential.expect("a credential");
        let manager = Tenant { org: tenant.org.clone(), agent, credential };
        let pen = Pen::new(Alg::Es256);
        let proof = pen.proof(served, "POST", TOKEN);
        let request = token().with("resource", ISSUER).by(&manager).field("dpop", proof);
        let body = request.to(served).await.json();
        assert_eq!(body["token_type"], "DPoP", "{body}");
        let token = body["access_token"].as_str().expect("a token").to_owned();
        assert_eq!(parts(&token).1["cnf"]["jkt"], pen.kid());
        Manager { served, pen, token }
    }

    /// The claims of a proof for that request.
    fn claims(&self, method: &str, path: &str) -> Value {
        let mut claims = self.pen.claims_with(self.served, path, &self.token);
        claims["htm"] = method.into();
        claims
    }

    fn proof(&self, method: &str, path: &str) -> String {
        self.pen.sign(&self.pen.proof_header(), &self.claims(method, path))
    }

    /// The same proof but for one claim.
    fn proof_but(&self, name: &str, value: impl Into<Value>) -> String {
        let mut claims = self.claims("GET", AGENTS);
        claims[name] = value.into();
        self.pen.sign(&self.pen.proof_header(), &claims)
    }

    async fn list(&self, path: &str, scheme: &str, proof: Option<&str>) -> Answer {
        let request =
            Request::get(path).header("authorization", format!("{scheme} {}", self.token));
        let request = match proof {
            Some(proof) => request.header("dpop", proof),
            None => request,
        };
        self.served.send(request.body(Body::empty()).expect("a request")).await
    }

    async fn register(&self, name: &str, proof: &str) -> Answer {
        let request = Request::post(AGENTS)
            .header("authorization", format!("DPoP {}", self.token))
            .header("dpop", proof)
            .header("content-type", "application/json")
            .body(Body::from(json!({ "name": name }).to_string()));
        self.served.send(request.expect("a request")).await
    }
}

fn names(list: &Answer) -> Vec<String> {
    assert_eq!(list.status, 200, "{list:?}");
    let body = list.json();
    let items = body["items"].as_array().expect("items").iter();
    let mut names: Vec<_> =
        items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_bound_token_is_let_in_by_a_new_proof_of_its_key_each_time() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let manager = Manager::of(&served, &acme).await;
    let other = Manager::of(&served, &globex).await;
    let first = manager.proof("GET", AGENTS);
    let list = manager.list(AGENTS, "DPoP", Some(&first)).await;
    assert_eq!(names(&list), ["bot", "manager"]);
    manager.list(AGENTS, "DPoP", Some(&first)).await.problem(401, "invalid_dpop_proof");
    let second = manager.proof("GET", AGENTS);
    // The query is no part of what is proven (RFC 9449 section 4.2).
    let list = manager.list("/agents?limit=1", "DPoP", Some(&second)).await;
    assert_eq!(names(&list).len(), 1);
    // A change needs a proof for a change, and is done once.
    let post = manager.proof("POST", AGENTS);
    assert_eq!(manager.register("made", &post).await.status, 201);
    manager.register("again", &post).await.problem(401, "invalid_dpop_proof");
    let get = manager.proof("GET", AGENTS);
    manager.register("again", &get).await.problem(401, "invalid_dpop_proof");
    let third = manager.proof("GET", AGENTS);
    let list = manager.list(AGENTS, "DPoP", Some(&third)).await;
    assert_eq!(names(&list), ["bot", "made", "manager"], "what was refused was not done");
    let theirs = other.proof("GET", AGENTS);
    assert_eq!(names(&other.list(AGENTS, "DPoP", Some(&theirs)).await), ["bot", "manager"]);
    served.test.finish();
}

#[tokio::test]
async fn a_bound_token_is_refused_with_any_other_proof_and_as_a_bearer_token() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let manager = Manager::of(&served, &acme).await;
    let other = Manager::of(&served, &globex).await;
    let thief = Pen::new(Alg::Es256);
    let stolen = thief.sign(&thief.proof_header(), &manager.claims("GET", AGENTS));
    let one = format!("/agents/{}", acme.agent.id);
    for (proof, code) in [
        // Good proofs, of keys that the token is not bound to.
        (Some(stolen), "invalid_token"),
        (
            Some(manager.proof_but("ath", other.claims("GET", AGENTS)["ath"].clone())),
            "invalid_dpop_proof",
        ),
        (Some(manager.proof_but("ath", Value::Null)), "invalid_dpop_proof"),
        (Some(manager.proof_but("htm", "HEAD")), "invalid_dpop_proof"),
        (Some(manager.proof("GET", &one)), "invalid_dpop_proof"),
        (Some(manager.proof_but("htu", "https://evil.example/agents")), "invalid_dpop_proof"),
        (None, "invalid_dpop_proof"),
    ] {
        let answer = manager.list(AGENTS, "DPoP", proof.as_deref()).await;
        answer.problem(401, code);
        assert!(answer.header("www-authenticate").contains(code), "{answer:?}");
    }
    let proof = manager.proof("GET", AGENTS);
    for proof in [None, Some(proof.as_str())] {
        manager.list(AGENTS, "Bearer", proof).await.problem(401, "invalid_token");
    }
    // What was refused as a bearer token used the proof up for nobody.
    assert_eq!(manager.list(AGENTS, "DPoP", Some(&proof)).await.status, 200);
    served.test.finish();
}
