//! What is read of a request's fields and of its query keeps the rules of what it is.

use agentidp_core::IdempotencyKey;
use agentidp_http::parsers::head;

pub(crate) fn check(bytes: &[u8]) {
    let Some(head) = head(bytes) else { return };
    assert!(head.clients.iter().all(|client| *client == client.to_canonical()));
    if let Some(trace) = &head.trace_id {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(trace.len() == 32 && trace.bytes().all(digit));
    }
    if let Some(key) = &head.idempotency_key {
        assert_eq!(IdempotencyKey::parse(key.as_str()).as_ref(), Ok(key));
    }
    // No row is changed, nor its answer spared, unless its tag stands there.
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(b"\"5\"") || holds(b"*") || !(head.matches || head.is_known));
    if head.is_form {
        assert_eq!(head.media_type.as_deref(), Some("application/x-www-form-urlencoded"));
    }
    if let Some(page) = &head.page {
        let cursor = page.cursor().map_or("", |cursor| cursor.as_str());
        assert!((1..=500).contains(&page.items()));
        assert!(cursor.chars().count() <= 256 && !cursor.chars().any(char::is_control));
    }
}
