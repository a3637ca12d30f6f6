//! JSON as we write it by the thousand: claims, audit entries, tokens handed out. Such texts are long, and
//! hardly ever is there anything to escape in them, which is seen many bytes at a time.

use std::fmt::{Display, Write as _};

use serde_json::Value;

/// An object that is being written, member after member, byte for byte as `serde_json` writes it.
pub(crate) struct JsonObject(String);

impl JsonObject {
    /// An empty object, with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> JsonObject {
        let mut text = String::with_capacity(bytes);
        text.push('{');
        JsonObject(text)
    }

    /// A member that is a text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A member that is a text, where there is one.
    pub(crate) fn text_if_any(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A member that is a list of texts.
    pub(crate) fn texts<T: AsRef<str>>(&mut self, name: &str, values: &[T]) {
        self.name(name);
        self.0.push('[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.quoted(value.as_ref());
        }
        self.0.push(']');
    }

    /// A member that is a number or a flag.
    pub(crate) fn bare(&mut self, name: &str, value: impl Display) {
        self.name(name);
        // A text takes all that is written to it.
        let _ = write!(self.0, "{value}");
    }

    /// A member of any kind, where there is one.
    pub(crate) fn value_if_any(&mut self, name: &str, value: Option<&Value>) {
        if let Some(value) = value {
            self.bare(name, value);
        }
    }

    /// Begins an object in this one: what follows are its members, until it is [closed](Self::close).
    pub(crate) fn open(&mut self, name: &str) {
        self.name(name);
        self.0.push('{');
    }

    /// Ends the object that was begun last.
    pub(crate) fn close(&mut self) {
        self.0.push('}');
    }

    /// The text of it.
    pub(crate) fn end(mut self) -> String {
        self.close();
        self.0
    }

    fn name(&mut self, name: &str) {
        // Only an object that was just begun ends so: texts end with their quotation mark.
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.quoted(name);
        self.0.push(':');
    }

    fn quoted(&mut self, text: &str) {
        if needs_escapes(text) {
            let _ = write!(self.0, "{}", Value::from(text));
        } else {
            self.0.push('"');
            self.0.push_str(text);
            self.0.push('"');
        }
    }
}

/// Whether there is a quotation mark, a backslash or a control character in it (RFC 8259 section 7). All of
/// it is looked at, also beyond the first: without an early end the compiler takes many bytes at a time.
fn needs_escapes(text: &str) -> bool {
    let escaped = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    text.bytes().fold(0, |any, byte| any | u8::from(escaped(byte))) != 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_writes_what_serde_json_writes() {
        let odd: String =
            (0..0x100_u32).chain([0x2028, 0x1f600]).filter_map(char::from_u32).collect();
        let one_by_one = odd.chars().map(String::from);
        let texts: Vec<String> =
            one_by_one.chain([odd.clone(), String::new(), "{".into()]).collect();
        for text in &texts {
            let mut object = JsonObject::with_capacity(8);
            object.text(text, text);
            object.open("inside");
            object.close();
            object.open("open");
            object.texts("list", &texts);
            object.bare("flag", true);
            object.bare("least", i64::MIN);
            object.text_if_any("none", None);
            object.text_if_any("some", Some(text));
            object.close();
            object.value_if_any("none", None);
            object.value_if_any("value", Some(&json!({ "b": [1, null, text] })));
            let read: Value = serde_json::from_str(&object.end()).unwrap();
            let expected = json!({
                text.as_str(): text,
                "inside": {},
                "open": { "list": texts, "flag": true, "least": i64::MIN, "some": text },
                "value": { "b": [1, null, text] },
            });
            assert_eq!(read, expected);
            let mut alone = JsonObject::with_capacity(0);
            alone.text("", text);
            assert_eq!(alone.end(), json!({ "": text }).to_string());
        }
        assert_eq!(JsonObject::with_capacity(0).end(), "{}");
    }
}
