//! The token endpoint (RFC 6749 section 3.2).

use agentidp_core::{TokenError, TokenRequest};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::answer::OAuthError;
use crate::app::App;
use crate::request::{AUTHENTICATION_FAILED, ClientAuth, Form, FormRequest, dpop};

use super::offer::GrantType;
use super::reply::not_stored;

/// `POST /oauth2/token`.
pub(crate) async fn issue(
    State(app): State<App>,
    request: FormRequest,
) -> Result<Response, OAuthError> {
    let request = token_request(&request)?;
    let token = app.run::<_, TokenError, OAuthError>(move |idp| idp.token(&request)).await?;
    Ok(not_stored(&token))
}

/// What is asked for. The form is looked at before the client: what is wrong with it is no secret.
fn token_request(request: &FormRequest) -> Result<TokenRequest, OAuthError> {
    let form = request.form()?;
    let grant = grant_type(&form)?;
    let client = ClientAuth::of(&request.headers, &form)?;
    if dpop::proof(&request.headers)?.is_some() {
        return Err(dpop::refused("tokens are not bound to keys here"));
    }
    match grant {
        GrantType::ClientCredentials => client_credentials(client, &form),
    }
}

fn grant_type(form: &Form<'_>) -> Result<GrantType, OAuthError> {
    let name = form.get("grant_type");
    let name = name.ok_or_else(|| OAuthError::invalid_request("grant_type is missing"))?;
    GrantType::parse(name).ok_or_else(|| {
        let description = "the grant is not one of grant_types_supported";
        OAuthError::of(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    })
}

fn client_credentials(client: ClientAuth, form: &Form<'_>) -> Result<TokenRequest, OAuthError> {
    let ClientAuth::Secret { client_id, client_secret } = client else {
        return Err(OAuthError::invalid_client(AUTHENTICATION_FAILED));
    };
    let mut request = TokenRequest::client_credentials(client_id, client_secret);
    if let Some(scope) = form.get("scope") {
        request = request.scope(scope);
    }
    for resource in form.all("resource") {
        request = request.resource(resource);
    }
    Ok(request)
}
