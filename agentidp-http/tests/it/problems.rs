//! Failures have one form (RFC 9457), and every answer names its request.

use crate::served::Served;

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_names_its_request() {
    let served = Served::new();
    let answer = served.get("/nothing").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["code"], "not_found");
    assert_eq!(problem["requestId"], answer.header("x-request-id"));
    assert_ne!(answer.header("x-request-id"), served.get("/nothing").await.header("x-request-id"));
    served.test.finish();
}
