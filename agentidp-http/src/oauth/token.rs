//! The token endpoint (RFC 6749 section 3.2).

use agentidp_core::{DpopProof, ErrorCode, TokenExchange, TokenRequest};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::answer::{OAuthError, hand_out_nonce};
use crate::app::App;
use crate::request::{Form, FormRequest, client_auth, dpop};

use super::offer::{ACCESS_TOKEN_TYPE, Endpoint, GrantType};
use super::reply;

/// `POST /oauth2/token`.
pub(crate) async fn issue(State(app): State<App>, request: FormRequest) -> Response {
    let asked = match Asked::read(&app, &request) {
        Ok(asked) => asked,
        Err(error) => return error.into_response(),
    };
    let (mut response, nonce_missing) = match app.token(asked.request).await {
        Ok(token) => (reply::token(&token), false),
        Err(error) => {
            let nonce_missing = error.is(ErrorCode::UseDpopNonce);
            (error.into_response(), nonce_missing)
        }
    };
    if nonce_missing || (asked.with_proof && app.requires_dpop_nonces()) {
        hand_out_nonce(&app, &mut response);
    }
    response
}

/// What a request asks for.
struct Asked {
    request: TokenRequest,
    /// Whether the token is to be bound to a key.
    with_proof: bool,
}

impl Asked {
    /// The form is looked at before the client: what is wrong with it is no secret.
    fn read(app: &App, request: &FormRequest) -> Result<Asked, OAuthError> {
        let form = request.form()?;
        let grant = grant_type(&form)?;
        let mut asked = TokenRequest::new(client_auth(&request.headers, &form)?);
        if let Some(scope) = form.get("scope") {
            asked = asked.scope(scope);
        }
        for resource in form.all("resource") {
            asked = asked.resource(resource);
        }
        if let Some(agent) = form.get("may_act") {
            asked = asked.may_act(agent);
        }
        if grant == GrantType::TokenExchange {
            asked = exchanged(asked, &form)?;
        }
        let proof = dpop::proof(&request.headers).map_err(|_| {
            let description = "there must be one proof in one DPoP field";
            OAuthError::new(ErrorCode::InvalidDpopProof, description)
        })?;
        let with_proof = proof.is_some();
        if let Some(proof) = proof {
            let proof = DpopProof::new(proof, "POST", app.documents().url(Endpoint::Token));
            asked = asked.dpop(proof.require_nonce(app.requires_dpop_nonces()));
        }
        Ok(Asked { request: asked, with_proof })
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

/// What is handed in for a token (RFC 8693 section 2.1).
fn exchanged(asked: TokenRequest, form: &Form<'_>) -> Result<TokenRequest, OAuthError> {
    let invalid = |description| Err(OAuthError::invalid_request(description));
    let Some(subject) = form.get("subject_token") else {
        return invalid("subject_token is missing");
    };
    let mut exchange = TokenExchange::new(subject);
    if form.get("subject_token_type") != Some(ACCESS_TOKEN_TYPE) {
        return invalid("subject_token_type must be that of access tokens");
    }
    match (form.get("actor_token"), form.get("actor_token_type")) {
        (None, None) => {}
        (Some(actor), Some(ACCESS_TOKEN_TYPE)) => exchange = exchange.actor_token(actor),
        (Some(_), _) => return invalid("actor_token_type must be that of access tokens"),
        (None, Some(_)) => return invalid("actor_token is missing"),
    }
    if form.get("requested_token_type").is_some_and(|asked| asked != ACCESS_TOKEN_TYPE) {
        return invalid("requested_token_type must be that of access tokens");
    }
    // An audience is a resource by its name. Both may name the same one.
    let named = |audience: &&str| form.all("resource").all(|resource| resource != *audience);
    let audiences = form.all("audience").filter(named);
    Ok(audiences.fold(asked.exchange(exchange), |asked, audience| asked.resource(audience)))
}
