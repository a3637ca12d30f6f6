//! Answers that nobody may keep.

use agentidp_core::TokenResponse;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Fields of such an answer, with those that are the edge's.
const FIELDS_USUAL: usize = 12;

/// The answer that is this value in JSON (RFC 6749 section 5.1).
pub(crate) fn not_stored<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => not_stored_json(body.into()),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The answer that is this token.
pub(crate) fn token(token: &TokenResponse) -> Response {
    not_stored_json(token.to_json().into())
}

fn not_stored_json(body: Body) -> Response {
    let mut response = Response::new(body);
    let mut headers = HeaderMap::with_capacity(FIELDS_USUAL);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    *response.headers_mut() = headers;
    response
}
