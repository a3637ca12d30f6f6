//! What a verb answers, before it is a response: it can be kept and given again.

use agentidp_core::SecretBytes;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::answer::Problem;

use super::precondition;

/// An answer.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reply {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Reply {
    /// The answer 200 with that document.
    pub(crate) fn ok<T: Serialize>(document: &T) -> Result<Reply, Problem> {
        Reply::with(StatusCode::OK, document)
    }

    /// The answer 201 with that document.
    pub(crate) fn created<T: Serialize>(document: &T) -> Result<Reply, Problem> {
        Reply::with(StatusCode::CREATED, document)
    }

    /// The answer 204.
    pub(crate) fn done() -> Reply {
        let status = StatusCode::NO_CONTENT.as_u16();
        Reply { status, etag: None, location: None, body: None }
    }

    fn with<T: Serialize>(status: StatusCode, document: &T) -> Result<Reply, Problem> {
        let body = serde_json::to_string(document).map_err(|_| internal())?;
        Ok(Reply { status: status.as_u16(), etag: None, location: None, body: Some(body) })
    }

    /// Tells the version of what is answered.
    #[must_use]
    pub(crate) fn version(mut self, version: i64) -> Reply {
        self.etag = Some(precondition::etag(version));
        self
    }

    /// Tells where what was made is found.
    #[must_use]
    pub(crate) fn location(mut self, url: String) -> Reply {
        self.location = Some(url);
        self
    }

    /// The answer 304 in the place of this one, where the client has it already.
    pub(crate) fn unless_known(mut self, request: &HeaderMap) -> Result<Reply, Problem> {
        let known = self.etag.as_deref().map(|etag| precondition::is_known(request, etag));
        if known.transpose()?.unwrap_or(false) {
            self.status = StatusCode::NOT_MODIFIED.as_u16();
            self.body = None;
        }
        Ok(self)
    }

    /// The answer as it is kept.
    pub(crate) fn to_bytes(&self) -> SecretBytes {
        SecretBytes::new(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The answer that was kept.
    pub(crate) fn from_bytes(bytes: &SecretBytes) -> Result<Reply, Problem> {
        serde_json::from_slice(bytes.expose()).map_err(|_| internal())
    }
}

fn internal() -> Problem {
    let code = agentidp_core::ErrorCode::Internal;
    Problem::new(code, code.meaning())
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body.map_or_else(Body::empty, Body::from));
        let has_body = self.status == 200 || self.status == 201;
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if has_body {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        // What has a tag may be kept by who asked, to be asked for again; what has none may hold a
        // secret that is shown once.
        let keeping = if self.etag.is_some() { "private, no-cache" } else { "no-store" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keeping));
        let fields: [(HeaderName, Option<String>); 2] =
            [(header::ETAG, self.etag), (header::LOCATION, self.location)];
        for (name, value) in fields {
            if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}
