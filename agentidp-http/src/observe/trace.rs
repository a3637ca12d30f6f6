//! The trace that a request belongs to (W3C Trace Context, level 1).

use axum::http::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;

/// A valid `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceParent(String);

impl TraceParent {
    /// The trace that the fields name. One that is malformed is none (section 4.3).
    pub(crate) fn of(headers: &HeaderMap) -> Option<TraceParent> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let line = lines.next()?.to_str().ok()?;
        if lines.next().is_some() {
            return None;
        }
        let mut parts = line.split('-');
        let version = digits(parts.next()?, 2)?;
        let trace = digits(parts.next()?, 32)?;
        let parent = digits(parts.next()?, 16)?;
        digits(parts.next()?, 2)?;
        // Later versions may have more behind it; 00 has not, and ff is none.
        let ends = if version == "00" { line.len() == LENGTH } else { version != "ff" };
        let zero = |text: &str| text.bytes().all(|digit| digit == b'0');
        (ends && !zero(trace) && !zero(parent)).then(|| TraceParent(trace.to_owned()))
    }

    /// The trace's id.
    pub(crate) fn trace_id(&self) -> &str {
        &self.0
    }
}

/// So many lower-case hexadecimal digits.
fn digits(text: &str, count: usize) -> Option<&str> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == count && text.bytes().all(digit)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn trace(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        TraceParent::of(&headers).map(|trace| trace.trace_id().to_owned())
    }

    #[test]
    fn a_valid_trace_is_followed_and_all_else_is_none() {
        let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(trace(&[&valid]).as_deref(), Some(TRACE));
        let later = format!("01-{TRACE}-00f067aa0ba902b7-01-what-is-new");
        assert_eq!(trace(&[&later]).as_deref(), Some(TRACE));
        for bad in [
            "".to_owned(),
            "00".to_owned(),
            format!("{valid}-x"),
            format!("{valid} "),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
            format!("00-{TRACE}-00f067aa0ba902b7"),
        ] {
            assert_eq!(trace(&[&bad]), None, "{bad}");
        }
        assert_eq!(trace(&[&valid, &valid]), None);
        assert_eq!(trace(&[]), None);
    }
}
