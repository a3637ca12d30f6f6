//! The document as a page for people: written once, without a script, and every text of it escaped.

use std::fmt::Write as _;

use serde_json::Value;

/// Deepest nesting of schemas that is shown: ours are shallow.
const DEPTH_MAX: usize = 4;

/// The page of the document.
pub(super) fn render(document: &Value) -> String {
    let title = escaped(text(at(document, "/info/title")));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><link rel=\"stylesheet\" href=\"docs/page.css\"></head><body>\
         <header><h1>{title} <small>{}</small></h1><p>{}</p>\
         <p><a href=\"openapi.json\">The document that this page is written from</a> (OpenAPI 3.1)</p></header><nav><ul>",
        escaped(text(at(document, "/info/version"))),
        prose(text(at(document, "/info/description"))),
    );
    let tags: Vec<&str> = items(&document["tags"]).map(|tag| text(&tag["name"])).collect();
    for tag in &tags {
        let tag = escaped(tag);
        let _ = write!(page, "<li><a href=\"#{tag}\">{tag}</a></li>");
    }
    page.push_str("<li><a href=\"#schemas\">schemas</a></li></ul></nav><main>");
    for tag in items(&document["tags"]) {
        section(&mut page, document, tag);
    }
    page.push_str("<section id=\"schemas\"><h2>schemas</h2>");
    for (name, schema) in members(at(document, "/components/schemas")) {
        let name = escaped(name);
        let _ = write!(page, "<article id=\"schema-{name}\"><h3>{name}</h3>");
        let _ = write!(page, "<p>{}</p>", prose(text(&schema["description"])));
        fields(&mut page, schema, 0);
        page.push_str("</article>");
    }
    page.push_str("</section></main></body></html>\n");
    page
}

fn section(page: &mut String, document: &Value, tag: &Value) {
    let name = escaped(text(&tag["name"]));
    let about = prose(text(&tag["description"]));
    let _ = write!(page, "<section id=\"{name}\"><h2>{name}</h2><p>{about}</p>");
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            if items(&operation["tags"]).any(|own| *own == tag["name"]) {
                operation_of(page, document, (path, method), operation);
            }
        }
    }
    page.push_str("</section>");
}

fn operation_of(
    page: &mut String,
    document: &Value,
    (path, method): (&str, &str),
    operation: &Value,
) {
    let id = escaped(text(&operation["operationId"]));
    let _ = write!(
        page,
        "<details id=\"{id}\"><summary><b class=\"{method}\">{}</b> <code>{}</code> {}</summary><p>{}</p>",
        method.to_uppercase(),
        escaped(path),
        prose(text(&operation["summary"])),
        prose(text(&operation["description"])),
    );
    let scopes: Vec<String> = items(&operation["security"])
        .flat_map(|requirement| items(&requirement["oauth2"]))
        .map(|scope| format!("<code>{}</code>", escaped(text(scope))))
        .collect();
    if !scopes.is_empty() {
        let _ = write!(page, "<p>Scope: {}</p>", scopes.join(" "));
    }
    parameters(page, operation);
    for (media_type, content) in members(at(operation, "/requestBody/content")) {
        let _ = write!(page, "<h4>Body <code>{}</code></h4>", escaped(media_type));
        let _ = write!(page, "<p>{}</p>", kind(&content["schema"], 0));
        fields(page, &content["schema"], 0);
    }
    page.push_str("<h4>Answers</h4><table>");
    for (status, response) in members(&operation["responses"]) {
        let named = text(&response["$ref"]).rsplit('/').next().unwrap_or_default();
        let response = if named.is_empty() {
            response
        } else {
            at(document, &format!("/components/responses/{named}"))
        };
        let body: Vec<String> = members(&response["content"])
            .map(|(media_type, content)| {
                format!("{} <code>{}</code>", kind(&content["schema"], 0), escaped(media_type))
            })
            .collect();
        let about = prose(text(&response["description"]));
        let _ = write!(page, "<tr><th>{}<td>{about}<td>{}", escaped(status), body.join(", "));
    }
    page.push_str("</table></details>");
}

fn parameters(page: &mut String, operation: &Value) {
    if items(&operation["parameters"]).next().is_none() {
        return;
    }
    page.push_str("<h4>Parameters</h4><table>");
    for parameter in items(&operation["parameters"]) {
        let _ = write!(
            page,
            "<tr><th><code>{}</code><td>{}<td>{}<td>{}",
            escaped(text(&parameter["name"])),
            escaped(text(&parameter["in"])),
            kind(&parameter["schema"], 0),
            prose(text(&parameter["description"])),
        );
    }
    page.push_str("</table>");
}

/// The members of an object's schema.
fn fields(page: &mut String, schema: &Value, depth: usize) {
    if members(&schema["properties"]).next().is_none() || depth >= DEPTH_MAX {
        return;
    }
    page.push_str("<table>");
    for (name, field) in members(&schema["properties"]) {
        let required = items(&schema["required"]).any(|own| own == name);
        let _ = write!(
            page,
            "<tr><th><code>{}</code>{}<td>{}<td>{}",
            escaped(name),
            if required { " *" } else { "" },
            kind(field, 0),
            prose(text(&field["description"])),
        );
        fields(page, field, depth + 1);
    }
    page.push_str("</table>");
}

/// What a value is, in a few words.
fn kind(schema: &Value, depth: usize) -> String {
    if depth >= DEPTH_MAX {
        return String::new();
    }
    let reference = text(&schema["$ref"]);
    if let Some(name) = reference.rsplit('/').next().filter(|name| !name.is_empty()) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let choices: Vec<String> =
        items(&schema["oneOf"]).map(|choice| kind(choice, depth + 1)).collect();
    if !choices.is_empty() {
        return choices.join(" or ");
    }
    let names: Vec<String> = match &schema["type"] {
        Value::Array(types) => types.iter().map(|own| escaped(text(own))).collect(),
        own => vec![escaped(text(own))],
    };
    let mut told = names.join(" or ");
    if !schema["items"].is_null() {
        let _ = write!(told, " of {}", kind(&schema["items"], depth + 1));
    }
    let values: Vec<String> = items(&schema["enum"])
        .map(|value| format!("<code>{}</code>", escaped(text(value))))
        .collect();
    if !values.is_empty() {
        let _ = write!(told, ": {}", values.join(" "));
    }
    for limit in ["format", "pattern", "minimum", "maximum", "minLength", "maxLength", "maxItems"] {
        match &schema[limit] {
            Value::Null => {}
            Value::String(value) => {
                let _ = write!(told, ", {limit} <code>{}</code>", escaped(value));
            }
            value => {
                let _ = write!(told, ", {limit} {}", escaped(&value.to_string()));
            }
        }
    }
    told
}

/// What is at that place of the document; null where nothing is.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Text with its code set apart, and nothing else of Markdown.
fn prose(markdown: &str) -> String {
    let parts = markdown.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            char => html.push(char),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_is_escaped() {
        let evil = "<script>\"'&`<b>`";
        let page = render(&json!({
            "info": { "title": evil, "version": evil, "description": evil },
            "tags": [{ "name": evil, "description": evil }],
            "paths": { evil: { "get": {
                "tags": [evil], "operationId": evil, "summary": evil, "description": evil,
                "security": [{ "oauth2": [evil] }],
                "parameters": [{ "name": evil, "in": evil, "description": evil,
                    "schema": { "type": evil, "enum": [evil], "pattern": evil } }],
                "requestBody": { "content": { evil: { "schema": { "$ref": evil } } } },
                "responses": { evil: { "description": evil, "content": { evil: { "schema": {} } } } },
            } } },
            "components": { "schemas": { evil: { "description": evil, "required": [evil],
                "properties": { evil: { "type": "string", "description": evil } } } } },
        }));
        assert!(!page.contains("<script") && !page.contains("<b>") && page.contains("&lt;script"));
    }
}
