//! What an organization is told of its limits (draft-ietf-httpapi-ratelimit-headers).

use agentidp_core::OrgChanges;
use agentidp_testkit::Tenant;
use axum::body::Body;
use axum::http::Request;

use crate::forms::{post, token};
use crate::served::{Answer, Served};

/// So few that the next one comes back in twenty seconds.
const PER_MINUTE: i64 = 3;

fn limited(served: &Served, slug: &str, changes: OrgChanges) -> Tenant {
    let tenant = served.test.tenant(slug);
    served.test.idp.org(&tenant.org.id).update(changes).expect("a limit");
    tenant
}

#[track_caller]
fn tells(answer: &Answer, status: u16, left: &str) {
    let policy = "\"organization\";q=3;w=60";
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("ratelimit-policy"), policy, "{answer:?}");
    assert_eq!(answer.header("ratelimit"), format!("\"organization\";{left}"), "{answer:?}");
}

#[track_caller]
fn tells_nothing(answer: &Answer) {
    assert_eq!((answer.header("ratelimit-policy"), answer.header("ratelimit")), ("", ""));
}

#[tokio::test]
async fn an_answer_tells_its_organization_what_is_left_and_nobody_else() {
    let served = Served::new();
    let changes = OrgChanges::default().rate_limit_per_minute(PER_MINUTE);
    let (acme, globex) =
        (limited(&served, "acme", changes.clone()), limited(&served, "globex", changes));
    let issued = token().with("scope", "openid").by(&acme).to(&served).await;
    tells(&issued, 200, "r=2");
    assert_eq!(issued.header("retry-after"), "", "it need not wait");
    // Whoever does not prove to be it learns nothing of it, and so does everybody who needs no proof.
    let id = acme.agent.client_id.as_str();
    tells_nothing(&token().basic(id, "wrong").to(&served).await);
    tells_nothing(&served.agent_info("Bearer nobody").await);
    tells_nothing(&served.get("/.well-known/jwks.json").await);
    let body = issued.json();
    let access_token = body["access_token"].as_str().expect("a token");
    tells(&served.agent_info(&format!("Bearer {access_token}")).await, 200, "r=1");
    // A request that is refused for another reason was counted as well.
    tells(&token().with("scope", "nothing").by(&acme).to(&served).await, 400, "r=0");
    let refused = post("/oauth2/introspect").with("token", access_token).by(&acme);
    let refused = refused.to(&served).await;
    let wait = refused.header("retry-after").to_owned();
    tells(&refused, 429, &format!("r=0;t={wait}"));
    // One that was seen before is answered in another way, without a thread that waits.
    for left in ["r=2", "r=1"] {
        tells(&token().by(&globex).to(&served).await, 200, left);
    }
    let list = Request::get("/agents").header("authorization", format!("Bearer {access_token}"));
    let list = served.send(list.body(Body::empty()).expect("a request")).await;
    tells_nothing(&list);
    assert_eq!(list.status, 401, "a token that is not for the API was not counted");
    served.test.finish();
}

#[tokio::test]
async fn the_end_of_a_months_tokens_tells_when_the_next_month_begins() {
    let served = Served::new();
    served.test.clock.set("2026-11-29T12:00:00.25Z".parse().expect("a time"));
    let changes = OrgChanges::default().max_tokens_per_month(1);
    let acme = limited(&served, "acme", changes);
    let globex = served.test.tenant("globex");
    assert_eq!(token().by(&acme).to(&served).await.status, 200);
    let refused = token().by(&acme).to(&served).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]),
        (429, &"quota_exceeded".into())
    );
    assert_eq!(refused.header("retry-after"), (36 * 60 * 60).to_string());
    assert_eq!(token().by(&globex).to(&served).await.status, 200);
    // Whoever waits as long has tokens again.
    served.test.clock.step(std::time::Duration::from_secs(36 * 60 * 60));
    assert_eq!(token().by(&acme).to(&served).await.status, 200);
    served.test.finish();
}
