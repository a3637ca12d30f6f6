//! Where the document and its page are served.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;

use crate::answer::{Document, preflight};
use crate::app::App;

use super::{document, page};

/// For how long a copy of the document may be kept.
const AGE_MAX: Duration = Duration::from_secs(300);

/// The page is text and a style of its own: whatever else a browser would do with it, it must not.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                           frame-ancestors 'none'";
const STYLE: &str = include_str!("page.css");

/// The routes of the document of what is `described`, by an instance that goes by `issuer`.
pub(crate) fn routes(described: OpenApi, issuer: &str) -> Router<App> {
    let value = document::complete(described, issuer);
    let html: Arc<str> = page::render(&value).into();
    let text = serde_json::to_string(&value).unwrap_or_default();
    let document = Document::new(text, "application/json", AGE_MAX);
    let show = move |headers: HeaderMap| async move { document.answer(&headers) };
    Router::new()
        .route("/openapi.json", get(show).options(preflight))
        .route("/docs", get(move || async move { shown("text/html; charset=utf-8", html) }))
        .route("/docs/page.css", get(|| async { shown("text/css; charset=utf-8", STYLE.into()) }))
}

fn shown(content_type: &'static str, text: Arc<str>) -> Response {
    let fields: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    let mut response = text.to_string().into_response();
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
