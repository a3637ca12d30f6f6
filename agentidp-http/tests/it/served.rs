//! A whole instance behind its router.

use agentidp_http::App;
use agentidp_testkit::TestIdp;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::declared::Declared;

/// Longest body that a test reads.
const BODY_BYTES_MAX: usize = 4 << 20;

/// An instance in memory with its routes. Verified by `TestIdp::finish`.
pub(crate) struct Served {
    pub(crate) test: TestIdp,
    declared: Declared,
    router: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Served {
    pub(crate) fn new() -> Served {
        let test = TestIdp::in_memory();
        let router = App::new(test.idp.clone()).expect("threads").router();
        Served { test, declared: Declared::document(), router }
    }

    /// Asks, and holds the answer against the document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let answer = answer_of(&self.router, request).await;
        self.declared.check(&method, &path, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }
}

/// What the routes answer to that request.
pub(crate) async fn answer_of(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("text");
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}
