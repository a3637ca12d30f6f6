//! Floor 0: bytes that are hashed or signed, and JSON from strangers.
//!
//! What we hash or sign is canonical JSON (RFC 8785). What strangers send is read strictly: a size
//! and a depth limit, and no member twice, whatever escapes its name is written with.

use std::fmt;

use serde::Serialize;
use serde::de::{self, Deserialize, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::base::limits::JSON_DEPTH_MAX;

/// Integers beyond this lose digits in readers that follow RFC 8785 (IEEE 754 doubles).
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// Why bytes are not JSON that we read, or a value not JSON that we can write canonically.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonError {
    /// More bytes than the reader's limit.
    #[error("{size} bytes of JSON, more than the limit of {limit}")]
    TooLong {
        /// Bytes offered.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not JSON, or JSON that we refuse: a member twice, too deep, a byte order mark, bytes after it.
    #[error("not acceptable JSON: {0}")]
    Syntax(String),
    /// An integer that a reader by RFC 8785 would not get back.
    #[error("an integer beyond 2^53 has no canonical form: write it as a string")]
    Integer,
}

/// The canonical bytes of `value` (RFC 8785).
///
/// ```
/// use agentidp_core::canon::to_canonical;
/// let value = serde_json::json!({ "b": 1, "a": [true, null] });
/// assert_eq!(to_canonical(&value)?, br#"{"a":[true,null],"b":1}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`CanonError`] when it has no canonical form: an integer beyond 2^53, a number that is not finite.
pub fn to_canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonError> {
    let value =
        serde_json::to_value(value).map_err(|error| CanonError::Syntax(error.to_string()))?;
    check_integers(&value)?;
    serde_json_canonicalizer::to_vec(&value).map_err(|error| CanonError::Syntax(error.to_string()))
}

fn check_integers(value: &Value) -> Result<(), CanonError> {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|n| n > EXACT_INTEGER_MAX) {
                Err(CanonError::Integer)
            } else {
                Ok(())
            }
        }
        Value::Array(items) => items.iter().try_for_each(check_integers),
        Value::Object(members) => members.values().try_for_each(check_integers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// Reads one JSON value from `bytes`, strictly.
///
/// ```
/// use agentidp_core::canon::parse_strict;
/// assert_eq!(parse_strict(br#"{"sub":"a"}"#, 100)?["sub"], "a");
/// // Two readers would not read the same.
/// assert!(parse_strict(br#"{"sub":"a","s\u0075b":"b"}"#, 100).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`CanonError`] when there are more than `limit` bytes, when they are not JSON, when an object
/// has a member twice, when they nest deeper than [`JSON_DEPTH_MAX`], or when anything follows.
pub fn parse_strict(bytes: &[u8], limit: usize) -> Result<Value, CanonError> {
    if bytes.len() > limit {
        return Err(CanonError::TooLong { size: bytes.len(), limit });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| CanonError::Syntax(error.to_string()))?;
    Ok(value)
}

/// Reads one JSON object, strictly; see [`parse_strict`].
///
/// # Errors
/// As [`parse_strict`], and when the value is not an object.
pub fn parse_strict_object(bytes: &[u8], limit: usize) -> Result<Map<String, Value>, CanonError> {
    match parse_strict(bytes, limit)? {
        Value::Object(members) => Ok(members),
        _ => Err(CanonError::Syntax("an object is expected".to_owned())),
    }
}

/// A value that remembers how deep it lies and refuses a member it has seen.
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(&self) -> Result<Strict, E> {
        if self.depth >= JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH_MAX} levels")));
        }
        Ok(Strict { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper()?)?;
            if members.contains_key(&name) {
                return Err(de::Error::custom(format_args!("member `{}` twice", short(&name))));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// The start of a stranger's text, for a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Reads `T` from JSON that we wrote ourselves and stored.
///
/// # Errors
/// [`CanonError::Syntax`] when the stored text is not what we wrote.
pub fn from_stored<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, CanonError> {
    serde_json::from_str(text).map_err(|error| CanonError::Syntax(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_ordered_by_utf16_units_and_numbers_written_as_ecmascript_does() {
        let value: Value =
            serde_json::from_str("{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7,\"n\":[-0.0,1e21,0.000001,1e-7,333333333.33333329]}").unwrap();
        let text = String::from_utf8(to_canonical(&value).unwrap()).unwrap();
        let expected = "{\"\\r\":2,\"1\":4,\"n\":[0,1e+21,0.000001,1e-7,333333333.3333333],\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_integer_that_a_double_cannot_hold_is_refused() {
        assert_eq!(to_canonical(&((1u64 << 53) + 1)), Err(CanonError::Integer));
        assert_eq!(to_canonical(&(-(1i64 << 53) - 1)), Err(CanonError::Integer));
        assert_eq!(to_canonical(&(1u64 << 53)), Ok(b"9007199254740992".to_vec()));
    }

    #[test]
    fn strict_reading_refuses_what_two_readers_would_read_differently() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in [
            r#"{"a":1,"a":2}"#,
            "{\"iss\":1,\"\\u0069ss\":2}",
            "{\"a\":{\"b\":1,\"b\":1}}",
            "\u{feff}{}",
            "{} {}",
            "{}x",
            "",
            "NaN",
            "{\"a\":1e999}",
            "\"\\ud800\"",
            "{'a':1}",
            "[1,]",
            &deep,
        ] {
            assert!(parse_strict(text.as_bytes(), 4096).is_err(), "{text}");
        }
        assert!(matches!(parse_strict(b"[1]", 2), Err(CanonError::TooLong { .. })));
        assert!(parse_strict(b"\xff", 10).is_err());
        assert!(parse_strict_object(b"[]", 10).is_err());
        assert!(parse_strict(b" {\"a\":[1,{\"b\":null}]} ", 100).is_ok());
    }
}
