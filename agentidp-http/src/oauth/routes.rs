//! Where OAuth and OpenID Connect answer.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};

use crate::answer::{OAuthError, preflight};
use crate::app::App;
use crate::request::FORM_BYTES_MAX;

use super::offer::Endpoint;
use super::{agent_info, authorize, introspect, jwks, metadata, revoke, token};

/// The routes under the issuer's path.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(
            Endpoint::Authorization.path(),
            form(get(authorize::by_query).post(authorize::by_form)),
        )
        .route(Endpoint::Token.path(), form(post(token::issue)))
        .route(Endpoint::Introspection.path(), form(post(introspect::answer)))
        .route(Endpoint::Revocation.path(), form(post(revoke::end)))
        .route(Endpoint::AgentInfo.path(), agent_info::route())
        .route(Endpoint::Jwks.path(), public(get(jwks::show)))
}

/// The well-known documents of the issuer with this path, which is empty or begins with a slash.
///
/// RFC 8414 section 3.1 and RFC 9728 section 3.1 put the path behind the well-known name, OpenID
/// Connect Discovery section 4 puts it before. Clients of the Model Context Protocol ask for OpenID
/// Connect's document in both ways.
pub(crate) fn well_known(base: &str) -> Router<App> {
    let server = || public(get(metadata::authorization_server));
    let routes = Router::new()
        .route(&format!("/.well-known/oauth-authorization-server{base}"), server())
        .route(&format!("/.well-known/openid-configuration{base}"), server())
        .route(
            &format!("/.well-known/oauth-protected-resource{base}"),
            public(get(metadata::protected_resource)),
        );
    if base.is_empty() {
        return routes;
    }
    routes.route(&format!("{base}/.well-known/openid-configuration"), server())
}

fn public(route: MethodRouter<App>) -> MethodRouter<App> {
    route.options(preflight)
}

fn form(route: MethodRouter<App>) -> MethodRouter<App> {
    route
        .fallback(|| async { OAuthError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
