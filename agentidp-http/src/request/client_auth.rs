//! By what a client proves itself at the token, introspection and revocation endpoints.

use agentidp_core::ClientAuth;
use axum::http::{HeaderMap, header};

use super::{Basic, Form, NotBasic};
use crate::answer::OAuthError;

/// What the client proves itself by. There is one way in a request, or none (RFC 6749 section 2.3).
pub(crate) fn client_auth(headers: &HeaderMap, form: &Form<'_>) -> Result<ClientAuth, OAuthError> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (field, another) = (fields.next(), fields.next());
    let secret = form.get("client_secret");
    let (assertion, kind) = (form.get("client_assertion"), form.get("client_assertion_type"));
    let asserted = assertion.is_some() || kind.is_some();
    let ways = [field.is_some(), another.is_some(), secret.is_some(), asserted];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        let description = "the client proves itself in more than one way";
        return Err(OAuthError::invalid_request(description));
    }
    let client_id = form.get("client_id");
    match (field, secret) {
        (Some(field), _) => by_field(field.as_bytes(), client_id),
        (None, Some(secret)) => {
            let client_id = client_id.ok_or(OAuthError::invalid_request("client_id is missing"))?;
            Ok(ClientAuth::secret(client_id, secret))
        }
        (None, None) => by_assertion(assertion, kind, client_id),
    }
}

/// A client in the field may be named again in the body, and must be the same then.
fn by_field(field: &[u8], named: Option<&str>) -> Result<ClientAuth, OAuthError> {
    let Basic { client_id, client_secret } =
        Basic::parse(field).map_err(|reason| match reason {
            NotBasic::OtherScheme => {
                OAuthError::invalid_client("the Authorization field is not of the scheme Basic")
            }
            // The words of a wrong secret: how it is wrong is nobody's business.
            NotBasic::Malformed => OAuthError::invalid_client(AUTHENTICATION_FAILED),
        })?;
    if named.is_some_and(|named| named != client_id) {
        let description = "client_id is not the client of the Authorization field";
        return Err(OAuthError::invalid_request(description));
    }
    Ok(ClientAuth::secret(client_id, client_secret))
}

/// A statement that the client signed. It may name the client beside it (RFC 7521 section 4.2).
fn by_assertion(
    assertion: Option<&str>,
    kind: Option<&str>,
    named: Option<&str>,
) -> Result<ClientAuth, OAuthError> {
    match (assertion, kind) {
        (Some(assertion), Some(ASSERTION_TYPE)) => {
            let auth = ClientAuth::assertion(assertion);
            Ok(match named {
                Some(named) => auth.of_client(named),
                None => auth,
            })
        }
        (Some(_), Some(_)) => {
            let description = "the type of the client's assertion is not one that is read";
            Err(OAuthError::invalid_client(description))
        }
        (None, None) => Err(OAuthError::invalid_client("the client does not prove itself")),
        (Some(_), None) | (None, Some(_)) => {
            let description = "client_assertion and client_assertion_type come together";
            Err(OAuthError::invalid_request(description))
        }
    }
}

/// What the library says of a client that does not prove itself.
const AUTHENTICATION_FAILED: &str = "client authentication failed";
/// The type of an assertion that is a JWT (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
