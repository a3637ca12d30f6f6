//! An instance whose API is asked, and whose every answer is held against the document.

use agentidp_core::{NewAgent, NewCredential, OrgId, TokenRequest};
use agentidp_http::App;
use agentidp_testkit::TestIdp;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::declared::Declared;
use crate::served::{Answer, answer_of};

/// An identifier that nothing has.
pub(crate) const MISSING: &str = "01900000-0000-7000-8000-000000000001";

/// An instance with its API.
pub(crate) struct Api {
    pub(crate) test: TestIdp,
    pub(crate) declared: Declared,
    router: Router,
}

/// A request that is being put together.
pub(crate) struct Ask<'a> {
    api: &'a Api,
    method: &'static str,
    path: String,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Api {
    /// One in memory.
    pub(crate) async fn new() -> Api {
        Api::over(TestIdp::in_memory()).await
    }

    pub(crate) async fn over(test: TestIdp) -> Api {
        let router = App::new(test.idp.clone()).expect("threads").router();
        let request = Request::get("/openapi.json").body(Body::empty()).expect("a request");
        let document = answer_of(&router, request).await.json();
        Api { test, declared: Declared(document), router }
    }

    /// A token of a new agent of the organization, with those scopes.
    pub(crate) fn token(&self, organization: &OrgId, scopes: &[&str]) -> String {
        self.agent_with(organization, scopes).1
    }

    /// A new agent of the organization with those scopes, and its token.
    pub(crate) fn agent_with(&self, organization: &OrgId, scopes: &[&str]) -> (String, String) {
        let org = self.test.idp.org(organization);
        let new = scopes.iter().fold(NewAgent::new("manager"), |new, scope| new.scope(*scope));
        let agent = org.register_agent(new).expect("an agent");
        let credential = org.issue_credential(&agent.id, NewCredential::default());
        let credential = credential.expect("a credential");
        let mut request = TokenRequest::client_credentials(&agent.id, credential.secret());
        if !scopes.is_empty() {
            request = request.scope(scopes.join(" "));
        }
        let token = self.test.idp.token(&request).expect("a token");
        (agent.id.to_string(), token.access_token)
    }

    /// A token of whoever administers the instance.
    pub(crate) fn administrator(&self) -> String {
        self.token(&OrgId::system(), &["admin:orgs"])
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask("GET", path)
    }

    pub(crate) fn post(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask("POST", path)
    }

    pub(crate) fn patch(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask("PATCH", path)
    }

    pub(crate) fn delete(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask("DELETE", path)
    }

    pub(crate) fn ask(&self, method: &'static str, path: impl Into<String>) -> Ask<'_> {
        Ask { api: self, method, path: path.into(), fields: Vec::new(), body: Vec::new() }
    }

    /// All items of a list, by pages of `limit`.
    pub(crate) async fn pages(&self, path: &str, token: &str, limit: usize) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(format!("{path}?limit={limit}{cursor}")).by(token).to().await;
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            let some = page["items"].as_array().expect("items");
            assert!(some.len() <= limit);
            items.extend(some.iter().cloned());
            let Some(next) = page["nextCursor"].as_str() else { return items };
            assert_eq!(some.len(), limit, "a page that is not the last is full");
            cursor = format!("&cursor={next}");
        }
    }
}

impl Ask<'_> {
    /// By the bearer of that token.
    pub(crate) fn by(self, token: &str) -> Self {
        let field = format!("Bearer {token}");
        self.field("authorization", field)
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// With a body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.field("content-type", content_type)
    }

    /// Asks, and holds the answer against the document.
    pub(crate) async fn to(self) -> Answer {
        let (api, method, path) = (self.api, self.method, self.path.clone());
        let answer = self.undeclared().await;
        api.declared.check(method, &path, &answer);
        answer
    }

    /// Asks for what the document does not tell of.
    pub(crate) async fn undeclared(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(self.body)).expect("a request");
        answer_of(&self.api.router, request).await
    }
}

impl Answer {
    /// Checks that it is a problem of that status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
    }

    /// The body without what differs in each: the name of the request.
    pub(crate) fn told(&self) -> (u16, String) {
        let mut body = self.json();
        body["requestId"] = Value::Null;
        (self.status.as_u16(), body.to_string())
    }
}
