//! A request that carries a form, before anything of the form is looked at.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};

use super::Form;
use crate::answer::OAuthError;

/// The fields of a request, and its body.
pub(crate) struct FormRequest {
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl FormRequest {
    /// The parameters, which are those of the body: there is no query.
    pub(crate) fn form(&self) -> Result<Form<'_>, OAuthError> {
        Form::parse(&self.body).map_err(|error| OAuthError::invalid_request(error.meaning()))
    }
}

impl<S: Send + Sync> FromRequest<S> for FormRequest {
    type Rejection = OAuthError;

    async fn from_request(mut request: Request, state: &S) -> Result<FormRequest, OAuthError> {
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            // Whatever it says: a secret in the address is in the logs of others by now (RFC 6749
            // section 2.3.1), and whoever put it there is to learn of it.
            let misplaced = "parameters belong in the body: an address ends up in logs, \
                and a secret that was in it is to be renewed";
            return Err(OAuthError::invalid_request(misplaced));
        }
        let headers = std::mem::take(request.headers_mut());
        if !is_form(&headers) || headers.contains_key(header::CONTENT_ENCODING) {
            let expected = "the body must be application/x-www-form-urlencoded, in UTF-8";
            return Err(OAuthError::invalid_request(expected));
        }
        match Bytes::from_request(request, state).await {
            Ok(body) => Ok(FormRequest { headers, body }),
            Err(failed) if failed.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let description = "the body is too large";
                Err(OAuthError::of(failed.status(), "invalid_request", description))
            }
            Err(_) => Err(OAuthError::invalid_request("the body could not be read")),
        }
    }
}

/// Whether the one `Content-Type` is that of a form, of which the only parameter is a charset that is
/// UTF-8 (RFC 6749 appendix B).
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let Ok(text) = field.to_str() else { return false };
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    if !name.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return false;
    }
    let mut parameters = parameters.split(';').map(str::trim).filter(|text| !text.is_empty());
    let charset = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        name.eq_ignore_ascii_case("charset")
            && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    parameters.all(charset)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_form_says_that_it_is_one() {
        let says = |text: &'static str| {
            let fields = [(header::CONTENT_TYPE, text.parse().unwrap())];
            is_form(&HeaderMap::from_iter(fields))
        };
        for text in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded ; charset=UTF-8",
            "application/x-www-form-urlencoded;charset=\"utf-8\";",
        ] {
            assert!(says(text), "{text}");
        }
        for text in [
            "",
            "application/json",
            "application/x-www-form-urlencoded2",
            "multipart/form-data",
            "application/x-www-form-urlencoded; charset=iso-8859-1",
            "application/x-www-form-urlencoded; boundary=x",
            "application/json; application/x-www-form-urlencoded",
        ] {
            assert!(!says(text), "{text}");
        }
        assert!(!is_form(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.append(header::CONTENT_TYPE, form);
        }
        assert!(!is_form(&headers), "twice");
    }
}
