//! JSON bodies: strict, bounded, and read without any request around them.

use agentidp_core::canon::{CanonError, parse_strict_object};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

/// Longest body of the API, in bytes: more than an agent with all that it may have.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most characters that are told of what is wrong: the reader's words may repeat the sender's.
const REASON_CHARS_MAX: usize = 200;

/// Largest integer that a number with a fraction part tells exactly: 2^53 less one.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// Why a body is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotRead {
    /// It is longer than [`BODY_BYTES_MAX`].
    TooLong,
    /// It is not JSON that we read, or not what is expected of it.
    Malformed(String),
}

/// Reads a body: one JSON object, no member twice, and what else `T` asks for.
///
/// # Errors
/// [`NotRead`] otherwise.
pub(super) fn read_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotRead> {
    let members = parse_strict_object(bytes, BODY_BYTES_MAX).map_err(|error| match error {
        CanonError::TooLong { .. } => NotRead::TooLong,
        error => NotRead::Malformed(short(&error.to_string())),
    })?;
    serde_json::from_value(with_integers(Value::Object(members)))
        .map_err(|error| NotRead::Malformed(short(&error.to_string())))
}

/// The same value, with integers written as such: `60.0` and `6e1` are the integer 60 to JSON and to
/// those who describe it (JSON Schema section 6.1.1).
fn with_integers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
                Value::from(float as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(with_integers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, with_integers(value))).collect()
        }
        other => other,
    }
}

fn short(reason: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    reason.chars().take(REASON_CHARS_MAX).map(printable).collect()
}

/// A member of a merge patch that cannot be removed: `null` is refused, absence changes nothing.
pub(super) fn given<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(reader).map(Some)
}

/// A member of a merge patch that can be removed: `null` does it (RFC 7396), absence changes nothing.
pub(super) fn removable<'de, D, T>(reader: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(reader).map(Some)
}

/// The media type of a `Content-Type` field, if its parameters leave the text what JSON says it is.
pub(crate) fn media_type(field: &str) -> Option<String> {
    let mut parts = field.split(';');
    let name = parts.next()?.trim().to_ascii_lowercase();
    let utf8 = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    parts.all(utf8).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Patch {
        #[serde(default, deserialize_with = "given")]
        name: Option<String>,
        #[serde(default, deserialize_with = "removable")]
        owner: Option<Option<String>>,
    }

    fn patch(name: Option<&str>, owner: Option<Option<&str>>) -> Result<Patch, NotRead> {
        let owner = owner.map(|owner| owner.map(str::to_owned));
        Ok(Patch { name: name.map(str::to_owned), owner })
    }

    #[test]
    fn absence_null_and_a_value_are_three_things() {
        assert_eq!(read_body(b"{}"), patch(None, None));
        assert_eq!(read_body(br#"{"owner":null}"#), patch(None, Some(None)));
        assert_eq!(read_body(br#"{"name":"a","owner":"b"}"#), patch(Some("a"), Some(Some("b"))));
        assert!(matches!(read_body::<Patch>(br#"{"name":null}"#), Err(NotRead::Malformed(_))));
    }

    #[test]
    fn what_two_readers_would_read_differently_is_refused() {
        for body in [
            &br#"{"name":"a","name":"b"}"#[..],
            br#"{"nick":"a"}"#,
            br#"{"name":1}"#,
            br#"["name"]"#,
            br#"{"name":"a"} {}"#,
            b"",
            b"null",
            b"{\"name\":\"\xff\"}",
        ] {
            assert!(matches!(read_body::<Patch>(body), Err(NotRead::Malformed(_))), "{body:?}");
        }
        let long = format!("{{\"name\":\"{}\"}}", "a".repeat(BODY_BYTES_MAX));
        assert_eq!(read_body::<Patch>(long.as_bytes()), Err(NotRead::TooLong));
        let told = format!("{{\"{}\":1}}", "k\\n".repeat(1000));
        let Err(NotRead::Malformed(reason)) = read_body::<Patch>(told.as_bytes()) else {
            panic!("an unknown member")
        };
        assert!(reason.chars().count() <= REASON_CHARS_MAX && !reason.contains('\n'));
    }

    #[test]
    fn a_media_type_is_told_in_any_case_and_its_text_is_utf8() {
        for field in ["application/json", "Application/JSON ; Charset=\"UTF-8\"; x=y"] {
            assert_eq!(media_type(field).as_deref(), Some("application/json"));
        }
        assert_eq!(media_type("application/json; charset=latin1"), None);
        assert_eq!(media_type("text/plain").as_deref(), Some("text/plain"));
    }

    #[test]
    fn an_integer_may_be_written_with_a_fraction_of_nothing() {
        let read = |text: &str| read_body::<serde_json::Map<String, Value>>(text.as_bytes());
        for integer in ["60", "60.0", "6e1", "600e-1"] {
            let read = read(&format!("{{\"a\":[{integer}]}}")).unwrap();
            assert_eq!(read.get("a"), Some(&serde_json::json!([60])), "{integer}");
        }
        for other in ["60.5", "1e300", "-0.1"] {
            let read = read(&format!("{{\"a\":{other}}}")).unwrap();
            assert!(read.get("a").unwrap().is_f64(), "{other}");
        }
    }
}
