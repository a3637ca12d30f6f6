//! The authorization endpoint (RFC 6749 section 3.1), which has no response type: agents get their
//! tokens themselves, and nobody is asked. It is there since clients look for it in the metadata, and
//! says what to do instead.

use axum::extract::RawQuery;
use axum::http::StatusCode;

use crate::answer::OAuthError;
use crate::request::{Form, FormRequest};

/// `GET /oauth2/authorize`.
pub(crate) async fn by_query(RawQuery(query): RawQuery) -> OAuthError {
    let parameters = Form::parse(query.as_deref().unwrap_or_default().as_bytes());
    refusal(parameters.map_err(|error| OAuthError::invalid_request(error.meaning())))
}

/// `POST /oauth2/authorize`, with the parameters in the body (OpenID Connect Core section 3.1.2.1).
pub(crate) async fn by_form(request: FormRequest) -> OAuthError {
    refusal(request.form())
}

/// What is wrong with the request is answered here and never at its `redirect_uri`: none is registered,
/// and nobody is sent to an address that a stranger chose (RFC 6749 section 4.1.2.1).
fn refusal(parameters: Result<Form<'_>, OAuthError>) -> OAuthError {
    match parameters {
        Err(error) => error,
        Ok(parameters) if parameters.get("response_type").is_none() => {
            OAuthError::invalid_request("response_type is missing")
        }
        Ok(_) => {
            let description = "there is no response type here, since nobody is asked for consent: \
                get a token at the token endpoint, by one of grant_types_supported";
            OAuthError::of(StatusCode::BAD_REQUEST, "unsupported_response_type", description)
        }
    }
}
