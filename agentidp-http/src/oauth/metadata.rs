//! What the instance tells about itself: RFC 8414 and OpenID Connect Discovery in one document, and
//! RFC 9728 about the API. Nothing in them comes from a request, and least of all from its `Host`.

use std::sync::{Mutex, PoisonError};

use agentidp_core::base::limits::JWKS_AGE_MAX;
use agentidp_core::jose::Jwks;
use agentidp_core::model::Leave;
use agentidp_core::{Action, Idp};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use crate::answer::{Document, Problem};
use crate::app::App;

use super::jwks::published;
use super::offer::{AUTH_METHODS, CLAIMS, Endpoint, FOREIGN_ALGS, GrantType, RESPONSE_TYPES};

const JSON: &str = "application/json";
/// The scope that asks for an ID token.
const OPENID: &str = "openid";

/// The documents about an instance.
pub(crate) struct Documents {
    issuer: String,
    base_path: String,
    resource_metadata_url: String,
    authorization_server: Mutex<ServerDocument>,
    protected_resource: Document,
}

/// The document of RFC 8414, and of which algorithms it tells.
struct ServerDocument {
    algs: Vec<&'static str>,
    document: Document,
}

impl Documents {
    /// The documents about `idp`.
    pub(crate) fn new(idp: &Idp) -> Documents {
        let status = idp.status();
        let issuer = status.issuer.as_str();
        let (origin, path) = split(issuer, status.issuer.authority());
        let resource = to_json(&ProtectedResource::new(issuer));
        Documents {
            issuer: issuer.to_owned(),
            base_path: path.to_owned(),
            resource_metadata_url: format!("{origin}/.well-known/oauth-protected-resource{path}"),
            authorization_server: Mutex::new(ServerDocument::new(issuer, algs(&idp.jwks()))),
            protected_resource: Document::new(resource, JSON, JWKS_AGE_MAX),
        }
    }

    /// The path that the issuer has: empty, or beginning with a slash.
    pub(crate) fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Where the API tells about itself.
    pub(crate) fn resource_metadata_url(&self) -> &str {
        &self.resource_metadata_url
    }

    /// The URL of an endpoint, as clients know it.
    pub(crate) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.issuer, endpoint.path())
    }

    /// The document of RFC 8414. An agent may choose an algorithm that there is a key for, so it is
    /// written anew when there are keys for others.
    fn authorization_server(&self, keys: &Jwks) -> Document {
        let algs = algs(keys);
        let mut kept = self.authorization_server.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.algs != algs {
            *kept = ServerDocument::new(&self.issuer, algs);
        }
        kept.document.clone()
    }
}

impl ServerDocument {
    fn new(issuer: &str, algs: Vec<&'static str>) -> ServerDocument {
        let text = to_json(&AuthorizationServer::new(issuer, &algs));
        ServerDocument { document: Document::new(text, JSON, JWKS_AGE_MAX), algs }
    }
}

/// `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
pub(crate) async fn authorization_server(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let keys = published(&app).await?;
    Ok(app.documents().authorization_server(&keys).answer(&headers))
}

/// `GET /.well-known/oauth-protected-resource`.
pub(crate) async fn protected_resource(State(app): State<App>, headers: HeaderMap) -> Response {
    app.documents().protected_resource.answer(&headers)
}

/// Metadata of the authorization server (RFC 8414 section 2, OpenID Connect Discovery section 3).
#[derive(Serialize)]
struct AuthorizationServer<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    grant_types_supported: Vec<&'static str>,
    /// There is no authorization endpoint and so no response type. Both specifications require the
    /// member and RFC 8414 section 3.2 forbids an empty one: what readers stumble over is its absence.
    response_types_supported: [&'static str; 0],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: &'a [&'static str],
    scopes_supported: [&'static str; 1],
    claims_supported: &'static [&'static str],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    dpop_signing_alg_values_supported: &'static [&'static str],
    /// Absence would mean that it is supported (OpenID Connect Discovery section 3).
    request_uri_parameter_supported: bool,
    protected_resources: [&'a str; 1],
}

impl<'a> AuthorizationServer<'a> {
    fn new(issuer: &'a str, id_token_algs: &'a [&'static str]) -> AuthorizationServer<'a> {
        let url = |endpoint: Endpoint| format!("{issuer}{}", endpoint.path());
        AuthorizationServer {
            issuer,
            authorization_endpoint: url(Endpoint::Authorization),
            token_endpoint: url(Endpoint::Token),
            introspection_endpoint: url(Endpoint::Introspection),
            revocation_endpoint: url(Endpoint::Revocation),
            userinfo_endpoint: url(Endpoint::AgentInfo),
            jwks_uri: url(Endpoint::Jwks),
            grant_types_supported: GrantType::ALL.iter().map(|grant| grant.as_str()).collect(),
            response_types_supported: RESPONSE_TYPES,
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: id_token_algs,
            scopes_supported: [OPENID],
            claims_supported: CLAIMS,
            token_endpoint_auth_methods_supported: AUTH_METHODS,
            token_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGS,
            introspection_endpoint_auth_methods_supported: AUTH_METHODS,
            introspection_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGS,
            revocation_endpoint_auth_methods_supported: AUTH_METHODS,
            revocation_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGS,
            dpop_signing_alg_values_supported: FOREIGN_ALGS,
            request_uri_parameter_supported: false,
            protected_resources: [issuer],
        }
    }
}

/// Metadata of our own API (RFC 9728 section 2), whose name as a resource is the issuer.
#[derive(Serialize)]
struct ProtectedResource<'a> {
    resource: &'a str,
    authorization_servers: [&'a str; 1],
    bearer_methods_supported: [&'static str; 1],
    scopes_supported: Vec<&'static str>,
    dpop_signing_alg_values_supported: &'static [&'static str],
    resource_name: &'static str,
}

impl ProtectedResource<'_> {
    fn new(issuer: &str) -> ProtectedResource<'_> {
        let scopes = Action::ALL.iter().filter_map(|action| match action.leave() {
            Leave::Scope(scope) | Leave::Instance(scope) => Some(scope),
            Leave::Belonging | Leave::Role(_) => None,
        });
        ProtectedResource {
            resource: issuer,
            authorization_servers: [issuer],
            bearer_methods_supported: ["header"],
            scopes_supported: distinct(std::iter::once(OPENID).chain(scopes).collect()),
            dpop_signing_alg_values_supported: FOREIGN_ALGS,
            resource_name: "AgentIdP",
        }
    }
}

/// An issuer without its path, and the path.
fn split<'a>(issuer: &'a str, authority: &str) -> (&'a str, &'a str) {
    let scheme = issuer.find("://").map_or(0, |at| at + "://".len());
    issuer.split_at_checked(scheme + authority.len()).unwrap_or((issuer, ""))
}

/// The algorithms that there are keys for.
fn algs(keys: &Jwks) -> Vec<&'static str> {
    distinct(keys.keys().iter().map(|key| key.key().alg().as_str()).collect())
}

/// The texts in their order, each once.
fn distinct(texts: Vec<&'static str>) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

/// Strings and lists of them: there is nothing in the documents that JSON cannot hold.
fn to_json<T: Serialize>(document: &T) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_issuer_is_its_origin_and_its_path() {
        for (issuer, authority, parts) in [
            ("https://idp.example.com", "idp.example.com", ("https://idp.example.com", "")),
            ("http://localhost:8080", "localhost:8080", ("http://localhost:8080", "")),
            ("https://h.example/base/x", "h.example", ("https://h.example", "/base/x")),
        ] {
            assert_eq!(split(issuer, authority), parts);
        }
    }
}
