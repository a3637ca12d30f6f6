//! Ends of tokens (RFC 7009).

use agentidp_core::{RevocationRequest, TokenError};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::answer::OAuthError;
use crate::app::App;
use crate::request::{FormRequest, client_auth};

/// `POST /oauth2/revoke`. What is no token, or none any more, is answered like one that was ended: with
/// nothing (RFC 7009 section 2.2). A hint that does not fit is no failure either; another client's token is
/// (section 2.1).
pub(crate) async fn end(
    State(app): State<App>,
    request: FormRequest,
) -> Result<Response, OAuthError> {
    let request = revocation(&request)?;
    app.run::<_, TokenError, OAuthError>(move |idp| idp.revoke(&request)).await?;
    let no_store = HeaderValue::from_static("no-store");
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, no_store)]).into_response())
}

fn revocation(request: &FormRequest) -> Result<RevocationRequest, OAuthError> {
    let form = request.form()?;
    let client = client_auth(&request.headers, &form)?;
    let token = form.get("token");
    let token = token.ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    Ok(RevocationRequest::new(token).client_auth(client))
}
