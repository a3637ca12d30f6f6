//! The whole document: what the routes say of themselves, what OAuth answers, and what all have in
//! common.

use agentidp_core::Action;
use agentidp_core::model::Leave;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::place::put;
use super::{common, oauth, schemas};

const DESCRIPTION: &str = "An identity provider for AI agents. Get an access token at `/oauth2/token` \
    with `resource` set to the issuer (an agent that has no audiences gets one for it without asking), and send it as \
    `Authorization: Bearer ..`. Whatever belongs to another organization is answered as if it were not there.";

/// The document of an instance that goes by `issuer`.
pub(crate) fn complete(described: OpenApi, issuer: &str) -> Value {
    let mut document = serde_json::to_value(described).unwrap_or_default();
    put(
        &mut document,
        &["info"],
        json!({
            "title": "AgentIdP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        }),
    );
    put(&mut document, &["servers"], json!([{ "url": issuer }]));
    put(
        &mut document,
        &["tags"],
        json!([
            { "name": "oauth", "description": "Tokens, questions about them, keys and metadata." },
            { "name": "organizations", "description": "The tenants." },
            { "name": "members", "description": "Agents that manage their organization." },
            { "name": "agents", "description": "The agents of the caller's organization." },
            { "name": "credentials", "description": "What agents prove themselves by." },
            { "name": "audit", "description": "The trail of the caller's organization." },
        ]),
    );
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        common::add_refusals(paths);
        paths.extend(oauth::paths());
    }
    let mut components = schemas::by_hand();
    components.extend(oauth::schemas());
    for (name, schema) in components {
        put(&mut document, &["components", "schemas", &name], schema);
    }
    put(&mut document, &["components", "responses"], Value::Object(common::responses()));
    put(&mut document, &["components", "securitySchemes"], security_schemes(issuer));
    document
}

fn security_schemes(issuer: &str) -> Value {
    let mut scopes = Map::new();
    for action in Action::ALL {
        if let Leave::Scope(scope) | Leave::Instance(scope) = action.leave() {
            scopes.insert(scope.to_owned(), action.meaning().into());
        }
    }
    scopes.insert("openid".to_owned(), "Learn who the agent is.".into());
    json!({
        "oauth2": {
            "type": "oauth2",
            "description": "An access token whose audience is the issuer (RFC 9068, RFC 6750).",
            "flows": { "clientCredentials": {
                "tokenUrl": format!("{issuer}/oauth2/token"), "scopes": scopes,
            } },
        },
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The same token, however it was had." },
        "clientBasic": { "type": "http", "scheme": "basic",
            "description": "The client id and its secret, each form-urlencoded first (RFC 6749 section 2.3.1)." },
    })
}
