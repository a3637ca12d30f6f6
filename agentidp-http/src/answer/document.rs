//! Documents that everybody may read, from any origin, and keep for a while.

use std::time::Duration;

use agentidp_core::crypto::{base64url, sha256};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Any origin may read what is public (Fetch standard, CORS protocol).
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Most bytes of `If-None-Match` that are looked at.
const IF_NONE_MATCH_BYTES_MAX: usize = 4096;

/// A document with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    body: Bytes,
    etag: String,
    content_type: &'static str,
    cache_control: String,
}

impl Document {
    /// The document of that text, which may be kept for `age_max`.
    pub(crate) fn new(text: String, content_type: &'static str, age_max: Duration) -> Document {
        let etag = format!("\"{}\"", base64url(&sha256(&[text.as_bytes()])));
        let cache_control = format!("public, max-age={}", age_max.as_secs());
        Document { body: Bytes::from(text), etag, content_type, cache_control }
    }

    /// The document, or that it is still the one which the request tells of (RFC 9110 section 13.1.2).
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let known = is_known(request, &self.etag);
        let body = if known { Body::empty() } else { Body::from(self.body.clone()) };
        let mut response = Response::new(body);
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        let mut insert = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        insert(header::ETAG, &self.etag);
        insert(header::CACHE_CONTROL, &self.cache_control);
        if !known {
            insert(header::CONTENT_TYPE, self.content_type);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// Whether one of the entity tags that the client holds is `etag`, by the weak comparison.
fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let fields = request.get_all(header::IF_NONE_MATCH).iter();
    let texts = fields.filter_map(|field| field.to_str().ok());
    // Our tags have no commas, so a part of a foreign tag that has some is none of ours.
    texts.filter(|text| text.len() <= IF_NONE_MATCH_BYTES_MAX).any(|text| {
        text.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

/// The answer to a browser that asks whether it may read a public document with fields of its own.
pub(crate) async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ANY);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
