//! The document that describes the interface, and its page.

use std::path::Path;

use serde_json::Value;

use crate::api::Api;

/// docs/openapi.json is what an instance serves. To write it anew, set `UPDATE_DOCS`.
#[tokio::test]
async fn the_document_is_the_table_of_the_routes() {
    let api = Api::new().await;
    let document = serde_json::to_string_pretty(&api.declared.0).expect("JSON") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).expect("a file");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(document.lines()).find(|(stored, made)| stored != made);
    assert!(stored == document, "docs/openapi.json is stale: run `just docs`: {differs:#?}");
}

#[tokio::test]
async fn the_document_is_whole() {
    let api = Api::new().await;
    let document = &api.declared.0;
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(document.pointer(name).is_some(), "{name}");
    }
    let scopes = &document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
        ["scopes"];
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let at = format!("{method} {path}");
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            assert!(!ids.contains(&id), "{at}: {id} twice");
            ids.push(id);
            assert!(!operation["summary"].as_str().unwrap_or("").is_empty(), "{at}");
            assert!(operation["security"].is_array(), "{at}: who may is not told");
            for requirement in operation["security"].as_array().into_iter().flatten() {
                for scope in requirement["oauth2"].as_array().into_iter().flatten() {
                    assert!(
                        scopes.get(scope.as_str().expect("a scope")).is_some(),
                        "{at}: {scope}"
                    );
                }
            }
            let named: Vec<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            let parts =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(named, parts.collect::<Vec<_>>(), "{at}");
        }
    }
}

/// The description of OAuth is written by hand: it must be of routes that are there.
#[tokio::test]
async fn every_path_that_is_described_is_served() {
    let api = Api::new().await;
    for (path, item) in api.declared.0["paths"].as_object().expect("paths") {
        for method in ["get", "post", "put", "patch", "delete"] {
            let asked = match method {
                "get" => api.get(path.as_str()),
                "post" => api.post(path.as_str()),
                "patch" => api.patch(path.as_str()),
                "delete" => api.delete(path.as_str()),
                _ => api.ask("PUT", path.as_str()),
            };
            if item.get(method).is_none() && path.starts_with("/.well-known") {
                continue;
            }
            let answer = asked.to().await;
            let served = answer.status != 405 && answer.status != 404;
            assert_eq!(served, item.get(method).is_some(), "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_page_shows_each_operation_and_loads_nothing_of_others() {
    let api = Api::new().await;
    let page = api.get("/docs").undeclared().await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    assert!(
        !page.body.contains("<script")
            && !page.body.contains("style=")
            && !page.body.contains("//cdn")
    );
    for (path, item) in api.declared.0["paths"].as_object().expect("paths") {
        for (_, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(page.body.contains(&format!("id=\"{id}\"")), "{path}: {id}");
        }
    }
    let style = api.get("/docs/page.css").undeclared().await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    let document = api.get("/openapi.json").undeclared().await;
    assert_eq!(document.header("content-type"), "application/json");
    let known = api.get("/openapi.json").field("if-none-match", document.header("etag"));
    assert_eq!(known.undeclared().await.status, 304);
    assert!(serde_json::from_str::<Value>(&document.body).is_ok());
}
