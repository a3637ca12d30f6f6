//! Writing into a document.

use serde_json::{Map, Value};

/// Puts `value` at that place of the document, with the objects that lead there.
pub(super) fn put(document: &mut Value, place: &[&str], value: Value) {
    let mut at = document;
    for name in place {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(members) = at else { return };
        at = members.entry(*name).or_insert(Value::Null);
    }
    *at = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_there_already_stays_beside_it() {
        let mut document = json!({ "a": { "b": 1 } });
        put(&mut document, &["a", "c", "d"], json!(2));
        put(&mut document, &["a", "b"], json!(3));
        assert_eq!(document, json!({ "a": { "b": 3, "c": { "d": 2 } } }));
    }
}
