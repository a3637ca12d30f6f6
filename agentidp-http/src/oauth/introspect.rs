//! Questions about tokens (RFC 7662).

use agentidp_core::{IntrospectionRequest, TokenError};
use axum::extract::State;
use axum::response::Response;

use crate::answer::OAuthError;
use crate::app::App;
use crate::request::{AUTHENTICATION_FAILED, ClientAuth, FormRequest};

use super::reply::not_stored;

/// `POST /oauth2/introspect`. Every token is of one type here, so `token_type_hint` hints at nothing.
pub(crate) async fn answer(
    State(app): State<App>,
    request: FormRequest,
) -> Result<Response, OAuthError> {
    let question = question(&request)?;
    let told = app.run::<_, TokenError, OAuthError>(move |idp| idp.introspect(&question)).await?;
    Ok(not_stored(&told))
}

fn question(request: &FormRequest) -> Result<IntrospectionRequest, OAuthError> {
    let form = request.form()?;
    let ClientAuth::Secret { client_id, client_secret } = ClientAuth::of(&request.headers, &form)?
    else {
        return Err(OAuthError::invalid_client(AUTHENTICATION_FAILED));
    };
    let token = form.get("token");
    let token = token.ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    Ok(IntrospectionRequest::new(token).client(client_id, client_secret))
}
