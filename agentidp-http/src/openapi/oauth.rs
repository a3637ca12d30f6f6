//! What OAuth and OpenID Connect answer, described by hand: their forms are those of the RFCs.

use serde_json::{Map, Value, json};

use super::common::{refuse, request_id};
use super::place::put;

/// The paths, by their names.
pub(super) fn paths() -> Map<String, Value> {
    [
        ("/oauth2/authorize", json!({ "get": authorize_by_query(), "post": authorize_by_form() })),
        ("/oauth2/token", json!({ "post": token() })),
        ("/oauth2/introspect", json!({ "post": introspect() })),
        ("/oauth2/revoke", json!({ "post": revoke() })),
        ("/agent-info", json!({ "get": agent_info("showAgentInfo"), "post": agent_info("postAgentInfo") })),
        ("/.well-known/jwks.json", json!({ "get": document(
            "showKeys", "Show the public keys that tokens are verified with", "KeySet", "application/jwk-set+json",
        ) })),
        ("/.well-known/openid-configuration", json!({ "get": document(
            "showOpenIdConfiguration", "Show the metadata (OpenID Connect Discovery)", "Metadata", "application/json",
        ) })),
        ("/.well-known/oauth-authorization-server", json!({ "get": document(
            "showServerMetadata", "Show the metadata (RFC 8414)", "Metadata", "application/json",
        ) })),
        ("/.well-known/oauth-protected-resource", json!({ "get": document(
            "showResourceMetadata", "Show the metadata of the API (RFC 9728)", "Metadata", "application/json",
        ) })),
    ]
    .into_iter()
    .map(|(path, item)| (path.to_owned(), item))
    .collect()
}

/// The documents of those answers.
pub(super) fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let token = json!({
        "type": "object",
        "description": "A token (RFC 6749 section 5.1).",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": { "type": "string", "description": "The access token (RFC 9068)." },
            "token_type": { "type": "string", "enum": ["Bearer", "DPoP"] },
            "expires_in": { "type": "integer", "minimum": 1 },
            "scope": { "type": "string", "description": "The scopes granted; absent when none were." },
            "id_token": { "type": "string", "description": "The ID token, where `openid` was granted." },
            "issued_token_type": { "type": "string", "description": "What was exchanged for (RFC 8693)." },
        },
    });
    let introspection = json!({
        "type": "object",
        "description": "What a token says (RFC 7662); of one that is not active, that alone.",
        "required": ["active"],
        "properties": {
            "active": { "type": "boolean" },
            "scope": text(), "client_id": text(), "token_type": { "type": "string", "enum": ["Bearer", "DPoP"] },
            "exp": { "type": "integer" }, "iat": { "type": "integer" },
            "sub": text(), "iss": text(), "jti": text(),
            "aud": { "description": "A string, or several.", "type": ["string", "array"], "items": text() },
            "organization_id": text(), "agent_did": text(),
            "act": { "type": "object", "description": "Who acts for the agent (RFC 8693 section 4.1)." },
            "cnf": { "type": "object", "description": "The key it is bound to (RFC 9449 section 6)." },
        },
    });
    let info = json!({
        "type": "object",
        "description": "What an access token tells about its agent.",
        "required": ["sub", "organization_id", "agent_did", "agent_name"],
        "properties": {
            "sub": text(), "organization_id": text(), "agent_did": text(), "agent_name": text(),
        },
    });
    let keys = json!({
        "type": "object",
        "description": "A JWK set (RFC 7517).",
        "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": { "type": "object" } } },
    });
    let error = json!({
        "type": "object",
        "description": "Why there is no token (RFC 6749 section 5.2).",
        "required": ["error"],
        "properties": { "error": text(), "error_description": text() },
    });
    let metadata = json!({ "type": "object", "description": "What is implemented, and where." });
    [
        ("Token", token),
        ("Introspection", introspection),
        ("AgentInfo", info),
        ("KeySet", keys),
        ("OAuthError", error),
        ("Metadata", metadata),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}

fn authorize_by_query() -> Value {
    let mut operation = authorize("authorize");
    put(
        &mut operation,
        &["parameters"],
        json!([{ "name": "response_type", "in": "query", "required": true,
            "description": "There is none.", "schema": { "type": "string", "minLength": 1 } }]),
    );
    operation
}

fn authorize_by_form() -> Value {
    let mut operation = authorize("authorizeByForm");
    let response_type =
        json!({ "type": "string", "minLength": 1, "description": "There is none." });
    let form = json!({
        "type": "object", "required": ["response_type"], "properties": { "response_type": response_type },
    });
    put(
        &mut operation,
        &["requestBody"],
        json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } }),
    );
    put(&mut operation, &["responses", "408"], refused("The form took too long."));
    put(&mut operation, &["responses", "413"], refused("The form is too long."));
    operation
}

/// What every authorization request is answered.
fn authorize(id: &str) -> Value {
    json!({
        "operationId": id,
        "summary": "Refuse an authorization request (RFC 6749 section 3.1): there is no response type",
        "tags": ["oauth"],
        "security": [],
        "responses": {
            "400": refused("`unsupported_response_type`. It never redirects."),
            "403": refused("The request came in the open, and not by https."),
            "429": refused("There were too many requests."),
            "503": refused("It cannot be answered at the moment."),
        },
    })
}

fn token() -> Value {
    let form = json!({
        "grant_type": { "type": "string", "minLength": 1, "description": "How the token is had.", "example": "client_credentials" },
        "scope": { "type": "string", "description": "Scopes, separated by spaces; all that the resource admits unless given." },
        "resource": { "type": "string", "description": "What the token is for (RFC 8707); the issuer for this API." },
        "audience": { "type": "string", "description": "Another name of `resource`." },
        "may_act": { "type": "string", "description": "The agent that may exchange the token to act by it." },
        "subject_token": { "type": "string", "description": "The token to be exchanged (RFC 8693 section 2.1)." },
        "subject_token_type": { "type": "string", "description": "`urn:ietf:params:oauth:token-type:access_token`." },
        "actor_token": { "type": "string", "description": "A token of the client's own, where it shows one." },
        "actor_token_type": { "type": "string", "description": "`urn:ietf:params:oauth:token-type:access_token`." },
        "requested_token_type": { "type": "string", "description": "`urn:ietf:params:oauth:token-type:access_token`." },
    });
    let mut operation =
        operation(("issueToken", "Issue a token (RFC 6749 section 3.2)"), form, &["grant_type"]);
    put(&mut operation, &["responses", "200"], answered("Token", "application/json", "The token."));
    put(
        &mut operation,
        &["parameters"],
        json!([{ "name": "DPoP", "in": "header", "description": "A proof of the key that the token is bound to (RFC 9449); by the nonce in `DPoP-Nonce`, once an answer had one.",
            "schema": { "type": "string" } }]),
    );
    operation
}

fn introspect() -> Value {
    let form = json!({
        "token": { "type": "string", "minLength": 1, "description": "The token." },
        "token_type_hint": { "type": "string", "description": "Not needed." },
    });
    let mut operation = operation(
        ("introspectToken", "Ask whether a token is active (RFC 7662)"),
        form,
        &["token"],
    );
    put(
        &mut operation,
        &["responses", "200"],
        answered("Introspection", "application/json", "What it says."),
    );
    operation
}

fn revoke() -> Value {
    let form = json!({
        "token": { "type": "string", "minLength": 1, "description": "The token." },
        "token_type_hint": { "type": "string", "description": "Not needed." },
    });
    let mut operation = operation(("revokeToken", "End a token (RFC 7009)"), form, &["token"]);
    put(
        &mut operation,
        &["responses", "200"],
        json!({ "description": "It is over, or was no token.", "headers": { "X-Request-Id": request_id() } }),
    );
    operation
}

/// An operation that takes a form of a client that proves itself.
fn operation((id, summary): (&str, &str), mut form: Value, required: &[&str]) -> Value {
    let proof = [
        ("client_id", "The client, where it is not in `Authorization`."),
        ("client_secret", "Its secret, where that is not in `Authorization`."),
        ("client_assertion", "A proof by a key in the place of a secret (RFC 7523)."),
        ("client_assertion_type", "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`."),
    ];
    for (name, description) in proof {
        put(&mut form, &[name], json!({ "type": "string", "description": description }));
    }
    json!({
        "operationId": id,
        "summary": summary,
        "tags": ["oauth"],
        "security": [{ "clientBasic": [] }, {}],
        "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {
            "schema": { "type": "object", "required": required, "properties": form },
        } } },
        "responses": {
            "400": refused("The request is not one, or may not be."),
            "401": refused("The client does not prove itself."),
            "403": refused("The request came in the open, and not by https."),
            "408": refused("The form took too long."),
            "413": refused("The form is too long."),
            "429": refused("There were too many requests, or tokens in this month."),
            "500": refused("A fault of this program."),
            "503": refused("It cannot be answered at the moment."),
        },
    })
}

fn refused(description: &str) -> Value {
    answered("OAuthError", "application/json", description)
}

fn agent_info(id: &str) -> Value {
    let mut operation = json!({
        "operationId": id,
        "summary": "Show what a token tells about its agent (OpenID Connect Core section 5.3)",
        "tags": ["oauth"],
        "security": [{ "oauth2": ["openid"] }, { "bearer": [] }],
        "responses": { "200": answered("AgentInfo", "application/json", "About the agent.") },
    });
    refuse(&mut operation, &["400", "401", "403", "429", "500", "503"]);
    operation
}

/// A document for everybody.
fn document(id: &str, summary: &str, schema: &str, media_type: &str) -> Value {
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "tags": ["oauth"],
        "security": [],
        "responses": {
            "200": answered(schema, media_type, "The document."),
            "304": { "description": "The client has it already." },
        },
    });
    refuse(&mut operation, &["400", "403", "429", "503"]);
    operation
}

fn answered(schema: &str, media_type: &str, description: &str) -> Value {
    let schema = format!("#/components/schemas/{schema}");
    json!({
        "description": description,
        "headers": { "X-Request-Id": request_id() },
        "content": { media_type: { "schema": { "$ref": schema } } },
    })
}
