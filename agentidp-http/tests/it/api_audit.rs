//! The audit trail: one's own, page by page, and verified.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn the_trail_is_one_s_own_and_read_to_its_end() {
    let api = Api::new().await;
    let (acme, globex) = api.test.two_orgs();
    let token = api.token(&acme.org.id, &["audit:read"]);
    let all = api.pages("/audit", &token, 500).await;
    let types: Vec<_> = all.iter().map(|entry| entry["type"].as_str().unwrap_or("")).collect();
    let made = ["org.created", "agent.created", "credential.generated"];
    assert_eq!(types[..3], made);
    for limit in [1, 2] {
        assert_eq!(api.pages("/audit", &token, limit).await, all);
    }
    let text = serde_json::to_string(&all).expect("JSON");
    assert!(!text.contains(globex.org.id.as_str()) && !text.contains(globex.agent.id.as_str()));
    // There is no way to ask for another's.
    for name in ["organization", "organization_id", "organizationId"] {
        let asked = api.get(format!("/audit?{name}={}", globex.org.id)).by(&token).to().await;
        asked.problem(400, "invalid_input");
    }
    for bad in ["cursor=-1", "cursor=%2B1", "cursor=x", "cursor=1000000000000000000", "limit=0"] {
        api.get(format!("/audit?{bad}")).by(&token).to().await.problem(400, "invalid_input");
    }
    let report = api.get("/audit/verify").by(&token).to().await.json();
    assert_eq!((&report["valid"], &report["size"]), (&json!(true), &json!(all.len())));
    api.test.finish();
}

#[tokio::test]
async fn reading_it_needs_its_scope() {
    let api = Api::new().await;
    let (acme, _) = api.test.two_orgs();
    let token = api.token(&acme.org.id, &["agents:read"]);
    for path in ["/audit", "/audit/verify"] {
        api.get(path).by(&token).to().await.problem(403, "insufficient_scope");
    }
    assert_eq!(api.test.trail(&acme.org.id).last().expect("an entry"), "access.denied Refused");
    api.test.finish();
}
