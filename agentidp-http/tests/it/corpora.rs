//! Replays the seeds of the fuzz targets, and every seed with a byte changed or cut off, through the
//! same functions: a parser of foreign bytes does not panic.

use agentidp_http::parsers::{AccessToken, Basic, Form, Head, api_bodies, head};
use agentidp_testkit::{replay, seeds};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::forms::basic;

/// What the fuzz target checks, in the file that it has it from.
#[path = "../../../fuzz/bodies/http_headers.rs"]
mod http_headers;

#[test]
fn form() {
    let read = seeds("form").iter().filter(|seed| Form::parse(seed).is_ok()).count();
    assert_eq!(read, 3, "of the seeds these are right");
    replay("form", |bytes| {
        if let Ok(form) = Form::parse(bytes) {
            for name in ["grant_type", "scope", "client_secret", "token", "resource"] {
                let values: Vec<_> = form.all(name).collect();
                assert!(values.iter().all(|value| !value.is_empty()));
                assert!(values.len() <= 1 || name == "resource");
                assert_eq!(form.get(name), values.first().copied());
            }
        }
    });
}

#[test]
fn basic_header() {
    let read = seeds("basic").iter().filter(|seed| Basic::parse(seed).is_ok()).count();
    assert_eq!(read, 3, "of the seeds these are right");
    replay("basic", |bytes| {
        if let Ok(read) = Basic::parse(bytes) {
            let field = basic(&read.client_id, read.client_secret.expose());
            let again = Basic::parse(field.as_bytes());
            // Written anew it is longer, where it had bytes that need no encoding.
            if let Ok(again) = again {
                assert_eq!(again.client_id, read.client_id);
                assert_eq!(again.client_secret.expose(), read.client_secret.expose());
            }
        }
        let joined = STANDARD.encode(bytes);
        let _ = Basic::parse(format!("Basic {joined}").as_bytes());
    });
}

#[test]
fn access_token() {
    let read = seeds("access_token").iter().filter(|seed| AccessToken::parse(seed).is_ok()).count();
    assert_eq!(read, 2, "of the seeds these are right");
    replay("access_token", |bytes| {
        if let Ok(AccessToken { token, .. }) = AccessToken::parse(bytes) {
            assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    });
}

#[test]
fn api_body() {
    let read = seeds("api_body").iter().filter(|seed| api_bodies(seed).is_ok()).count();
    assert_eq!(read, 8, "of the seeds these are right");
    replay("api_body", |bytes| {
        for reason in api_bodies(bytes).err().into_iter().flatten() {
            assert!(reason.chars().count() <= 200 && !reason.chars().any(char::is_control));
        }
    });
}

#[test]
fn http_headers() {
    let heads: Vec<_> = seeds("http_headers").iter().filter_map(|seed| head(seed)).collect();
    let count = |right: fn(&Head) -> bool| heads.iter().filter(|head| right(head)).count();
    let right = [
        count(|head| head.clients[0].to_string() != "10.0.0.1"),
        count(|head| head.clients[1].to_string() != "10.0.0.1"),
        count(|head| head.media_type.as_deref() == Some("application/json")),
        count(|head| head.is_form),
        count(|head| head.matches),
        count(|head| head.is_known),
        count(|head| head.trace_id.is_some()),
        count(|head| head.page.is_some()),
    ];
    assert_eq!(right, [2, 1, 1, 1, 2, 3, 2, 4], "of the seeds these are right");
    replay("http_headers", http_headers::check);
}
