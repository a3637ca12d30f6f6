//! What an access token tells about its agent (OpenID Connect Core section 5.3).

use agentidp_core::{AccessError, ErrorCode};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::answer::Problem;
use crate::app::App;
use crate::request::{AccessToken, TokenScheme};

use super::reply::not_stored;

/// `/agent-info`, also for scripts of any origin (OpenID Connect Core section 5.3): a token is not
/// something that a browser would send by itself.
pub(crate) fn route() -> MethodRouter<App> {
    get(show).post(show).options(preflight)
}

async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut response = told(&app, &headers).await.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate"),
    );
    response
}

async fn told(app: &App, headers: &HeaderMap) -> Result<Response, Problem> {
    let AccessToken { scheme, token } = AccessToken::of(headers)?;
    if scheme == TokenScheme::Dpop {
        return Err(Problem::new(ErrorCode::InvalidToken, "the token is bound to no key"));
    }
    let token = token.to_owned();
    let info = app.run::<_, AccessError, Problem>(move |idp| idp.agent_info(&token)).await?;
    Ok(not_stored(&info))
}

async fn preflight() -> Response {
    let fields = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, DPoP"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, fields).into_response()
}
