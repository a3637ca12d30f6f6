//! What all operations of the API have in common: how they are refused.

use serde_json::{Map, Value, json};

use super::place::put;

/// The methods that a path item may have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What is answered before there is a request, with nothing but the status.
const BARE: &str = "431";

/// A refusal that the document names once.
struct Refusal {
    status: &'static str,
    name: &'static str,
    description: &'static str,
}

const REFUSALS: [Refusal; 14] = [
    Refusal { status: "400", name: "Malformed", description: "The request breaks a rule." },
    Refusal {
        status: "401",
        name: "NotAuthenticated",
        description: "There is no valid access token (RFC 6750 section 3).",
    },
    Refusal {
        status: "403",
        name: "NotAllowed",
        description: "The token lacks a scope, or the caller's role does not allow it.",
    },
    Refusal {
        status: "404",
        name: "NotFound",
        description: "There is nothing by that id, or nothing that the caller may see.",
    },
    Refusal { status: "408", name: "TooSlow", description: "The body took too long." },
    Refusal {
        status: "409",
        name: "Conflict",
        description: "It cannot be done as things stand, or is being done.",
    },
    Refusal {
        status: "412",
        name: "PreconditionFailed",
        description: "It is at another version than `If-Match` says.",
    },
    Refusal { status: "413", name: "TooLarge", description: "The body is longer than 64 KiB." },
    Refusal {
        status: "415",
        name: "UnsupportedMediaType",
        description: "The body is of another type than is expected.",
    },
    Refusal {
        status: "422",
        name: "KeyReused",
        description: "The `Idempotency-Key` was used for another request.",
    },
    Refusal { status: "429", name: "TooMany", description: "There were too many requests." },
    Refusal {
        status: BARE,
        name: "FieldsTooLarge",
        description: "The head is too long: there is no request yet, and no body here.",
    },
    Refusal { status: "500", name: "Failed", description: "A fault of this program." },
    Refusal {
        status: "503",
        name: "Unavailable",
        description: "It cannot be answered at the moment.",
    },
];

/// The refusals, by their names.
pub(super) fn responses() -> Map<String, Value> {
    let response = |refusal: &Refusal| {
        if refusal.status == BARE {
            return (refusal.name.to_owned(), json!({ "description": refusal.description }));
        }
        let mut response = json!({
            "description": refusal.description,
            "headers": { "X-Request-Id": request_id() },
            "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
            } },
        });
        let field = match refusal.status {
            "401" => Some(("WWW-Authenticate", "What is lacking (RFC 6750 section 3).")),
            "429" | "503" => Some(("Retry-After", "Seconds after which it is worth asking again.")),
            _ => None,
        };
        if let Some((name, description)) = field {
            let told = json!({ "description": description, "schema": { "type": "string" } });
            put(&mut response, &["headers", name], told);
        }
        (refusal.name.to_owned(), response)
    };
    REFUSALS.iter().map(response).collect()
}

/// The field that names each request.
pub(super) fn request_id() -> Value {
    json!({ "description": "The name of the request.", "schema": { "type": "string", "format": "uuid" } })
}

/// Adds to each operation how it may be refused, which follows from what it takes.
pub(super) fn add_refusals(paths: &mut Map<String, Value>) {
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get_mut(method) else { continue };
            let statuses = statuses(path, method, operation);
            leave_out_body(operation);
            let answers = operation.get_mut("responses").and_then(Value::as_object_mut);
            for (_, answer) in answers.into_iter().flatten() {
                put(answer, &["headers", "X-Request-Id"], request_id());
            }
            refuse(operation, &statuses);
        }
    }
}

/// Says that the operation may be refused with those statuses.
pub(super) fn refuse(operation: &mut Value, statuses: &[&str]) {
    for refusal in REFUSALS.iter().filter(|own| statuses.contains(&own.status)) {
        let name = format!("#/components/responses/{}", refusal.name);
        put(operation, &["responses", refusal.status], json!({ "$ref": name }));
    }
}

/// A body that may be left out is described as one that may be null, which it may not.
fn leave_out_body(operation: &mut Value) {
    let Some(Value::Object(contents)) = operation.pointer_mut("/requestBody/content") else {
        return;
    };
    for content in contents.values_mut() {
        let choices = content.pointer("/schema/oneOf").and_then(Value::as_array);
        let choice = choices.into_iter().flatten().find(|choice| choice["type"] != "null");
        if let Some(choice) = choice.cloned() {
            put(content, &["schema"], choice);
        }
    }
}

/// The statuses of refusals that an operation may have.
fn statuses(path: &str, method: &str, operation: &Value) -> Vec<&'static str> {
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
    // Whatever is asked may have a body, and too much of it, or too slowly.
    let mut statuses = vec!["400", "401", "403", "408", "413", "429", "431", "500", "503"];
    if path.contains('{') {
        statuses.push("404");
    }
    if method != "get" {
        statuses.push("409");
    }
    if !operation["requestBody"].is_null() {
        statuses.push("415");
    }
    if has("If-Match") {
        statuses.push("412");
    }
    if has("Idempotency-Key") {
        statuses.push("422");
    }
    statuses
}
