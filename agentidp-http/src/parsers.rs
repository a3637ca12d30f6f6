//! The parsers of foreign bytes, for the fuzzers alone: no part of the interface.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agentidp_core::{AgentError, IdempotencyKey, PageRequest};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer::Document;
pub use crate::api::api_bodies;
use crate::api::{Query, etag, idempotency_key, if_match, is_known, media_type};
use crate::observe::TraceParent;
use crate::request::is_form;
pub use crate::request::{AccessToken, Basic, Form, FormError, NoToken, NotBasic, TokenScheme};
use crate::serve::{Network, Peer, ProxyField, ServeOptions};

/// Fields that are read by parsers of our own.
const FIELDS: [&str; 8] = [
    "content-type",
    "forwarded",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "traceparent",
    "x-forwarded-for",
    "x-forwarded-proto",
];
/// Most lines of each field: enough for parsers to see that there is more than one.
const LINES_MAX: usize = 8;
/// The version of the row that `If-Match` and `If-None-Match` are asked about.
const VERSION: i64 = 5;

/// What is read of the head of a request.
#[derive(Debug)]
pub struct Head {
    /// The client, as a proxy tells of it by `X-Forwarded-For` and by `Forwarded`.
    pub clients: [IpAddr; 2],
    /// What `Content-Type` is to the API.
    pub media_type: Option<String>,
    /// Whether it is that of a form.
    pub is_form: bool,
    /// The key in `Idempotency-Key`.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Whether a row at version 5 may be changed by `If-Match`.
    pub matches: bool,
    /// Whether `If-None-Match` names that row.
    pub is_known: bool,
    /// Whether it names the document without any text.
    pub is_known_document: bool,
    /// The trace in `traceparent`.
    pub trace_id: Option<String>,
    /// The page that the query asks for.
    pub page: Option<PageRequest>,
}

/// Reads `bytes` as the query of a request and as each of its fields, of which each line is one.
/// `None` where no request can have such a field.
pub fn head(bytes: &[u8]) -> Option<Head> {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let value = HeaderValue::from_bytes(line).ok()?;
        for name in FIELDS {
            headers.append(name, value.clone());
        }
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|field| field.to_str().ok());
    let change = |expected: Option<i64>| match expected {
        None | Some(VERSION) => Ok(()),
        Some(expected) => Err(AgentError::VersionConflict { expected, found: VERSION }),
    };
    let document = Document::new(String::new(), "text/plain", Duration::ZERO);
    let known = ["limit", "cursor", "revokeTokens"];
    let query = Query::read(std::str::from_utf8(bytes).ok(), &known);
    let page = query.and_then(|query| query.flag("revokeTokens").and_then(|_| query.page()));
    Some(Head {
        clients: [ProxyField::XForwarded, ProxyField::Forwarded]
            .map(|field| client(&headers, field)),
        media_type: content_type.and_then(media_type),
        is_form: is_form(&headers),
        idempotency_key: idempotency_key(&headers).ok().flatten(),
        matches: if_match(&headers, change).is_ok(),
        is_known: is_known(&headers, &etag(VERSION)).unwrap_or(false),
        is_known_document: document.answer(&headers).status() == StatusCode::NOT_MODIFIED,
        trace_id: TraceParent::of(&headers).map(|trace| trace.trace_id().to_owned()),
        page: page.ok(),
    })
}

/// The client for whom a proxy of ours speaks.
fn client(headers: &HeaderMap, field: ProxyField) -> IpAddr {
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let mut options = ServeOptions::new(SocketAddr::from((proxy, 80)));
    options.trusted_proxies.extend("10.0.0.0/8".parse::<Network>());
    options.proxy_field = field;
    Peer::of(proxy, false, headers, &options).address
}
