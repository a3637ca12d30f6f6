//! Holds answers against the document that describes them.

use agentidp_core::Issuer;
use serde_json::Value;

use crate::served::Answer;

/// The document, as the instance serves it.
pub(crate) struct Declared(pub(crate) Value);

/// What may be asked for, and how it is described.
pub(crate) struct Operation<'a> {
    pub(crate) method: &'static str,
    pub(crate) template: &'a str,
    pub(crate) described: &'a Value,
}

impl Operation<'_> {
    /// Its path, with what each parameter of it is to be.
    pub(crate) fn path(&self, of: impl Fn(&str) -> String) -> String {
        let part = |part: &str| {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            name.map_or(part.to_owned(), &of)
        };
        self.template.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

impl Declared {
    /// The document, as every instance has it.
    pub(crate) fn document() -> Declared {
        Declared(agentidp_http::openapi_document(
            &Issuer::parse(agentidp_testkit::ISSUER).expect("an issuer"),
        ))
    }

    /// All operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.0["paths"].as_object().expect("paths");
        paths.iter().flat_map(|(template, item)| {
            ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter_map(move |method| {
                let described = item.get(method.to_ascii_lowercase())?;
                Some(Operation { method, template, described })
            })
        })
    }

    /// Checks that the operation may answer like that: its status, its media type, its fields, and
    /// every member of its body.
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let at = format!("{method} {path} {}", answer.status);
        let path = path.split('?').next().expect("a path");
        let Some(operation) = self.operation(method, path) else {
            // What HTTP gives to each resource needs no description.
            let is_known =
                matches!(method, "HEAD" | "OPTIONS") || matches!(answer.status.as_u16(), 404 | 405);
            assert!(is_known, "{at} is not declared");
            return;
        };
        let status = answer.status.as_str();
        let response = self.resolved(&operation["responses"][status]);
        assert!(!response.is_null(), "{at}: the status is not declared: {}", answer.body);
        for (name, _) in response["headers"].as_object().into_iter().flatten() {
            assert!(!answer.header(name).is_empty(), "{at}: {name} is missing");
        }
        let Some(contents) = response["content"].as_object() else {
            assert_eq!(answer.body, "", "{at}: no body is declared");
            return;
        };
        let content = contents.get(answer.header("content-type"));
        let content = content.unwrap_or_else(|| panic!("{at}: the media type is not declared"));
        self.matches(&content["schema"], &answer.json(), &at);
    }

    /// The operation of that path, by the templates of the document.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let paths = self.0["paths"].as_object().expect("paths");
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(own, part)| own.starts_with('{') || own == part)
        };
        // What is spelt out comes before what stands for anything.
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        let (_, item) = found.first()?;
        item.get(method.to_ascii_lowercase())
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(name) => {
                self.0.pointer(name.strip_prefix('#').expect("a local name")).expect(name)
            }
            None => value,
        }
    }

    /// Checks `value` against `schema`; members that it does not name are refused.
    fn matches(&self, schema: &Value, value: &Value, at: &str) {
        let schema = self.resolved(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let is_null = value.is_null();
            let choice = choices.iter().find(|own| (own["type"] == "null") == is_null);
            return self.matches(choice.expect("a choice"), value, at);
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let allowed = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().any(|own| own == kind),
            own => own == kind,
        };
        assert!(allowed, "{at}: {value} is not of {schema}");
        if let Some(values) = schema["enum"].as_array() {
            assert!(values.contains(value), "{at}: {value} is none of {values:?}");
        }
        match (value, schema["format"].as_str()) {
            (Value::String(text), Some("uuid")) => assert_eq!(text.len(), 36, "{at}: {text}"),
            (Value::String(text), Some("date-time")) => {
                assert!(text.ends_with('Z') && text.contains('T'), "{at}: {text}");
            }
            _ => {}
        }
        for item in value.as_array().into_iter().flatten() {
            self.matches(&schema["items"], item, at);
        }
        let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object())
        else {
            return;
        };
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(required.as_str().expect("a name")), "{at}: {required}");
        }
        for (name, member) in members {
            let schema = known.get(name);
            self.matches(schema.unwrap_or_else(|| panic!("{at}: {name}")), member, at);
        }
    }
}
