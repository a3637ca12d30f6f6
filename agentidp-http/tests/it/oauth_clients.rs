//! How clients prove themselves, and what they learn when they do not (RFC 6749 section 2.3).

use agentidp_core::ImportOptions;
use agentidp_core::crypto::{hexadecimal, sha256};
use agentidp_testkit::Tenant;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::forms::{ENDPOINTS, Post, TOKEN, basic, post};
use crate::served::{Answer, Served};

/// A request that is right but for the client.
fn request(path: &str) -> Post {
    let request = post(path);
    if path == TOKEN {
        request.with("grant_type", "client_credentials")
    } else {
        request.with("token", "x")
    }
}

fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.json()["error"], "invalid_client");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("www-authenticate").starts_with("Basic "), "{answer:?}");
}

fn is_invalid(answer: &Answer) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["error"], "invalid_request");
}

fn credentials(tenant: &Tenant) -> (&str, &str) {
    (tenant.agent.client_id.as_str(), tenant.credential.secret())
}

#[tokio::test]
async fn a_secret_comes_in_the_field_or_in_the_body() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let (id, secret) = credentials(&acme);
    for path in ENDPOINTS {
        for request in [
            request(path).basic(id, secret),
            request(path).secret(id, secret),
            request(path).basic(id, secret).with("client_id", id),
            request(path).basic(id, secret).with("client_secret", ""),
            request(path).field("authorization", basic(id, secret).replace("Basic", "bAsIc")),
        ] {
            assert_eq!(request.to(&served).await.status, 200, "{path}");
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn an_imported_secret_with_any_characters_comes_through() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let secret = "p%41ss+w:rd é%";
    let digest = hexadecimal(&sha256(&[secret.as_bytes()]));
    let id = "11111111-2222-4333-8444-555555555555";
    let line = serde_json::json!({
        "agentId": id,
        "name": "old",
        "scopes": ["tools:read"],
        "credentials": [{ "scheme": "sha256", "digest": digest }],
    });
    let handle = served.test.idp.org(&acme.org.id);
    let report = handle.import(&mut line.to_string().as_bytes(), ImportOptions::default());
    assert_eq!(report.expect("an import").imported, 1);
    for path in ENDPOINTS {
        assert_eq!(request(path).basic(id, secret).to(&served).await.status, 200, "{path}");
        assert_eq!(request(path).secret(id, secret).to(&served).await.status, 200, "{path}");
        let plain = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        is_refused(&request(path).field("authorization", plain).to(&served).await);
    }
    served.test.finish();
}

#[tokio::test]
async fn a_client_proves_itself_in_one_way() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let (id, secret) = credentials(&acme);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for path in ENDPOINTS {
        let request = || request(path);
        for request in [
            request().basic(id, secret).with("client_secret", secret),
            request().basic(id, secret).secret(id, secret),
            request().basic(id, secret).basic(id, secret),
            request().basic(id, secret).field("authorization", "Bearer x"),
            request().field("authorization", "Bearer x").secret(id, secret),
            request().basic(id, secret).with("client_assertion", "a.b.c"),
            request().basic(id, secret).with("client_assertion_type", kind),
            request().secret(id, secret).with("client_assertion", "a.b.c"),
            request().basic(id, secret).with("client_id", globex.agent.client_id.as_str()),
            request().with("client_secret", secret),
            request().with("client_assertion", "a.b.c"),
            request().with("client_assertion_type", kind),
        ] {
            is_invalid(&request.to(&served).await);
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn a_client_that_proves_nothing_is_refused() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let (id, secret) = credentials(&acme);
    for path in ENDPOINTS {
        for request in [
            request(path),
            request(path).with("client_id", id),
            request(path).with("client_id", id).with("client_secret", ""),
            request(path).field("authorization", format!("Bearer {secret}")),
            request(path).field("authorization", ""),
            request(path)
                .with("client_assertion", "a.b.c")
                .with("client_assertion_type", "jwt-bearer"),
        ] {
            is_refused(&request.to(&served).await);
        }
    }
    served.test.finish();
}

#[tokio::test]
async fn strangers_learn_one_thing_whatever_is_wrong() {
    let served = Served::new();
    let (acme, globex) = served.test.two_orgs();
    let suspended = served.test.tenant("initech");
    let gone = served.test.tenant("umbrella");
    let handle = |tenant: &Tenant| served.test.idp.org(&tenant.org.id);
    handle(&acme).suspend_agent(&acme.agent.id).expect("a suspended agent");
    handle(&suspended).suspend().expect("a suspended organization");
    handle(&gone).delete().expect("a deleted organization");
    let (id, secret) = credentials(&globex);
    let cut = &secret[..secret.len() - 1];
    let clients = [
        (id, credentials(&acme).1),
        (id, cut),
        (id, ""),
        (id, "aidp_wrong"),
        (credentials(&acme).0, secret),
        credentials(&acme),
        credentials(&suspended),
        credentials(&gone),
        ("01900000-0000-7000-8000-000000000001", secret),
        ("nobody", secret),
        ("", secret),
    ];
    for path in ENDPOINTS {
        let mut answers = Vec::new();
        for (id, secret) in clients {
            answers.push(request(path).basic(id, secret).to(&served).await);
            if !id.is_empty() && !secret.is_empty() {
                answers.push(request(path).secret(id, secret).to(&served).await);
            }
        }
        for field in ["Basic", "Basic !", "Basic YTpi YTpi", "Basic YTolenoK", "Basic /w=="] {
            answers.push(request(path).field("authorization", field).to(&served).await);
        }
        for answer in &answers {
            is_refused(answer);
            assert_eq!(answer.body, answers[0].body);
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id").expect("a name");
            let mut first = answers[0].headers.clone();
            first.remove("x-request-id").expect("a name");
            assert_eq!(headers, first);
        }
        let right = request(path).basic(id, secret).to(&served).await;
        assert_eq!(right.status, 200, "{path}");
    }
    served.test.finish();
}
