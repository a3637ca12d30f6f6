//! Requests of clients as they come over the wire.

use agentidp_testkit::Tenant;
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::served::{Answer, Served};

pub(crate) const TOKEN: &str = "/oauth2/token";
pub(crate) const INTROSPECT: &str = "/oauth2/introspect";
pub(crate) const REVOKE: &str = "/oauth2/revoke";
/// The three endpoints at which clients prove themselves.
pub(crate) const ENDPOINTS: [&str; 3] = [TOKEN, INTROSPECT, REVOKE];

const FORM: &str = "application/x-www-form-urlencoded";

/// A request that a test changes before it is sent.
pub(crate) struct Post {
    path: String,
    fields: Vec<(&'static str, String)>,
    body: String,
}

pub(crate) fn post(path: &str) -> Post {
    Post {
        path: path.to_owned(),
        fields: vec![("content-type", FORM.to_owned())],
        body: String::new(),
    }
}

/// A request by the client credentials grant.
pub(crate) fn token() -> Post {
    post(TOKEN).with("grant_type", "client_credentials")
}

impl Post {
    /// Adds a parameter.
    pub(crate) fn with(self, name: &str, value: &str) -> Post {
        let pair = format!("{}={}", encode(name), encode(value));
        let body = if self.body.is_empty() { pair } else { format!("{}&{pair}", self.body) };
        Post { body, ..self }
    }

    /// Takes that for the body, as it stands.
    pub(crate) fn body(self, body: impl Into<String>) -> Post {
        Post { body: body.into(), ..self }
    }

    /// The parameters, as they stand.
    pub(crate) fn text(&self) -> &str {
        &self.body
    }

    /// Adds a field.
    pub(crate) fn field(mut self, name: &'static str, value: impl Into<String>) -> Post {
        self.fields.push((name, value.into()));
        self
    }

    /// Says that the body is of that type.
    pub(crate) fn content_type(mut self, value: &str) -> Post {
        self.fields.retain(|(name, _)| *name != "content-type");
        self.field("content-type", value)
    }

    /// Proves the client in the `Authorization` field.
    pub(crate) fn basic(self, client_id: &str, secret: &str) -> Post {
        self.field("authorization", basic(client_id, secret))
    }

    /// Proves the client in the body.
    pub(crate) fn secret(self, client_id: &str, secret: &str) -> Post {
        self.with("client_id", client_id).with("client_secret", secret)
    }

    /// Proves the tenant's agent.
    pub(crate) fn by(self, tenant: &Tenant) -> Post {
        self.basic(tenant.agent.client_id.as_str(), tenant.credential.secret())
    }

    pub(crate) async fn to(self, served: &Served) -> Answer {
        served.send(self.request(Method::POST)).await
    }

    pub(crate) fn request(self, method: Method) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(self.path);
        for (name, value) in self.fields {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body)).expect("a request")
    }
}

/// The field of RFC 6749 section 2.3.1.
pub(crate) fn basic(client_id: &str, secret: &str) -> String {
    let joined = format!("{}:{}", encode(client_id), encode(secret));
    format!("Basic {}", STANDARD.encode(joined))
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The header and the claims of a token.
pub(crate) fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&json).unwrap_or(Value::Null)
    });
    (parts.next().expect("a header"), parts.next().expect("claims"))
}

impl Served {
    /// A token of the tenant's agent with these scopes.
    pub(crate) async fn token_of(&self, tenant: &Tenant, scope: &str) -> Value {
        let answer = token().with("scope", scope).by(tenant).to(self).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Asks the agent's own endpoint with that `Authorization` field.
    pub(crate) async fn agent_info(&self, authorization: &str) -> Answer {
        let request = Request::get("/agent-info").header("authorization", authorization);
        self.send(request.body(Body::empty()).expect("a request")).await
    }
}

/// The texts of a list.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}
