//! By what a client proves itself at the token, introspection and revocation endpoints.

use agentidp_core::SecretString;
use axum::http::{HeaderMap, header};

use super::{Basic, Form, NotBasic};
use crate::answer::OAuthError;

/// What a client proves itself by. There is one way in a request, or none (RFC 6749 section 2.3).
#[derive(Debug)]
pub(crate) enum ClientAuth {
    /// A secret, in the `Authorization` field or in the body.
    Secret {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
    /// A statement that the client signed (RFC 7523 section 2.2).
    Assertion,
}

impl ClientAuth {
    /// What the request has.
    pub(crate) fn of(headers: &HeaderMap, form: &Form<'_>) -> Result<ClientAuth, OAuthError> {
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
        if let Some(field) = field {
            return by_field(field.as_bytes(), client_id);
        }
        if let Some(secret) = secret {
            let client_id = client_id.ok_or(OAuthError::invalid_request("client_id is missing"))?;
            let client_secret = SecretString::from(secret);
            return Ok(ClientAuth::Secret { client_id: client_id.to_owned(), client_secret });
        }
        match (assertion, kind) {
            (Some(_), Some(ASSERTION_TYPE)) => Ok(ClientAuth::Assertion),
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
}

/// A client in the field may be named again in the body, and must be the same then.
fn by_field(field: &[u8], named: Option<&str>) -> Result<ClientAuth, OAuthError> {
    let basic = Basic::parse(field).map_err(|reason| match reason {
        NotBasic::OtherScheme => {
            OAuthError::invalid_client("the Authorization field is not of the scheme Basic")
        }
        // The words of a wrong secret: how it is wrong is nobody's business.
        NotBasic::Malformed => OAuthError::invalid_client(AUTHENTICATION_FAILED),
    })?;
    let Basic { client_id, client_secret } = basic;
    if named.is_some_and(|named| named != client_id) {
        let description = "client_id is not the client of the Authorization field";
        return Err(OAuthError::invalid_request(description));
    }
    Ok(ClientAuth::Secret { client_id, client_secret })
}

/// What the library says of a client that does not prove itself.
pub(crate) const AUTHENTICATION_FAILED: &str = "client authentication failed";
/// The type of an assertion that is a JWT (RFC 7523 section 2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
