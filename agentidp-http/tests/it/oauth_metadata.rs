//! What the instance tells about itself, and that it does as it says (RFC 8414, OpenID Connect
//! Discovery, RFC 9728, RFC 7517).

use std::collections::BTreeSet;

use agentidp_core::{Alg, Config, Idp, KekSource, KeyRotation};
use agentidp_http::App;
use agentidp_testkit::ISSUER;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::forms::{Post, parts, post, texts, token};
use crate::served::{Served, answer_of};

const OIDC: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const JWKS: &str = "/.well-known/jwks.json";

/// An instance whose issuer is not the usual one, behind its routes.
fn router_of(issuer: &str) -> (Router, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a directory");
    let kek = KekSource::file(home.path().join("kek.key"));
    let idp = Idp::open(Config::memory().kek(kek).issuer(issuer)).expect("an instance");
    (App::new(idp).expect("threads").router(), home)
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

/// The path of one of our URLs.
fn path(url: &Value) -> &str {
    url.as_str().expect("a URL").strip_prefix(ISSUER).expect("a URL of the issuer")
}

#[tokio::test]
async fn both_protocols_have_the_same_document() {
    let served = Served::new();
    let answer = served.get(OIDC).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body, served.get(OAUTH).await.body);
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["response_types_supported"], serde_json::json!([]));
    assert_eq!(texts(&metadata["subject_types_supported"]), ["public"]);
    // Absence would claim each of these (OpenID Connect Discovery section 3; RFC 8414 section 2).
    assert_eq!(metadata["request_uri_parameter_supported"], false);
    assert!(!texts(&metadata["grant_types_supported"]).is_empty());
    // There is no authorization endpoint, and nothing that would belong to one.
    for absent in
        ["authorization_endpoint", "code_challenge_methods_supported", "registration_endpoint"]
    {
        assert_eq!(metadata.get(absent), None);
    }
    let secretless = metadata.to_string();
    assert!(!secretless.contains("none") && !secretless.contains("client_secret_jwt"));
    served.test.finish();
}

#[tokio::test]
async fn the_issuer_is_not_taken_from_the_request() {
    let served = Served::new();
    let plain = served.get(OIDC).await.body;
    let request = Request::get(OIDC)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example;proto=http")
        .body(Body::empty());
    assert_eq!(served.send(request.expect("a request")).await.body, plain);
    let absolute = Request::get(format!("http://evil.example{OIDC}")).body(Body::empty());
    assert_eq!(served.send(absolute.expect("a request")).await.body, plain);
    let (acme, _) = served.test.two_orgs();
    let answer = token().field("host", "evil.example").by(&acme).to(&served).await.json();
    let (_, claims) = parts(answer["access_token"].as_str().expect("a token"));
    assert_eq!(claims["iss"], ISSUER);
    served.test.finish();
}

#[tokio::test]
async fn public_documents_are_kept_and_asked_for_again() {
    let served = Served::new();
    for path in [OIDC, OAUTH, RESOURCE, JWKS] {
        let answer = served.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cache-control"), "public, max-age=600");
        let etag = answer.header("etag").to_owned();
        assert!(etag.len() > 40 && etag.starts_with('"') && etag.ends_with('"'));
        let ask =
            |known: &str| Request::get(path).header("if-none-match", known).body(Body::empty());
        for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let again = served.send(ask(&known).expect("a request")).await;
            assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{known}");
            assert_eq!(again.header("etag"), etag);
            assert_eq!(again.header("access-control-allow-origin"), "*");
        }
        for other in ["\"x\"", "", etag.trim_matches('"')] {
            let again = served.send(ask(other).expect("a request")).await;
            assert_eq!((again.status.as_u16(), &again.body), (200, &answer.body), "{other}");
        }
        let head = Request::head(path).body(Body::empty()).expect("a request");
        let head = served.send(head).await;
        assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
        assert_eq!(head.header("etag"), etag);
        assert_eq!(head.header("content-length"), answer.body.len().to_string());
    }
    served.test.finish();
}

#[tokio::test]
async fn public_documents_are_read_only() {
    let served = Served::new();
    for path in [OIDC, OAUTH, RESOURCE, JWKS] {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let request = Request::builder().method(method).uri(path).body(Body::empty());
            let answer = served.send(request.expect("a request")).await;
            assert_eq!(answer.status, 405, "{path}");
            assert_eq!(answer.header("allow"), "GET,HEAD,OPTIONS");
        }
        let preflight = Request::options(path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "mcp-protocol-version")
            .body(Body::empty());
        let answer = served.send(preflight.expect("a request")).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-headers"), "*");
    }
    served.test.finish();
}

#[tokio::test]
async fn an_issuer_with_a_path_answers_under_it() {
    let issuer = "https://h.example/base/x";
    let (router, _home) = router_of(issuer);
    let ask = async |path: &str| answer_of(&router, get(path)).await;
    let documents = [
        "/base/x/.well-known/openid-configuration",
        "/.well-known/openid-configuration/base/x",
        "/.well-known/oauth-authorization-server/base/x",
    ];
    for path in documents {
        let metadata = ask(path).await.json();
        assert_eq!(metadata["issuer"], issuer, "{path}");
        assert_eq!(metadata["token_endpoint"], "https://h.example/base/x/oauth2/token");
        assert_eq!(metadata["jwks_uri"], "https://h.example/base/x/.well-known/jwks.json");
    }
    let resource = ask("/.well-known/oauth-protected-resource/base/x").await.json();
    assert_eq!(resource["resource"], issuer);
    assert_eq!(ask("/base/x/.well-known/jwks.json").await.status, 200);
    assert_eq!(ask("/base/x/oauth2/token").await.status, 405);
    assert_eq!(ask("/base/x/oauth2/token").await.header("allow"), "POST");
    let refused = ask("/base/x/agent-info").await;
    assert_eq!(refused.status, 401);
    let at = "resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/base/x\"";
    assert!(refused.header("www-authenticate").ends_with(at), "{refused:?}");
    for path in [OIDC, OAUTH, RESOURCE, JWKS, "/oauth2/token", "/agent-info", "/base/oauth2/token"]
    {
        assert_eq!(ask(path).await.status, 404, "{path}");
    }
    // RFC 8414 inserts: nothing lies behind the issuer.
    for path in [OAUTH, RESOURCE] {
        assert_eq!(ask(&format!("/base/x{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_keys_are_public_and_named_by_their_thumbprints() {
    let served = Served::new();
    let answer = served.get(JWKS).await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    let set = answer.json();
    let keys = set["keys"].as_array().expect("keys");
    let mut names = BTreeSet::new();
    for key in keys {
        let members = key.as_object().expect("a key");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(!members.contains_key(private));
        }
        assert_eq!(key["use"], "sig");
        assert!(names.insert(key["kid"].as_str().expect("a name")), "a name twice");
        let (thumbprint, coordinates): (String, &[&str]) = match key["kty"]
            .as_str()
            .expect("a type")
        {
            "EC" => {
                assert_eq!((&key["crv"], &key["alg"]), (&"P-256".into(), &"ES256".into()));
                (
                    format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, key["x"], key["y"]),
                    &["x", "y"],
                )
            }
            "OKP" => {
                assert_eq!((&key["crv"], &key["alg"]), (&"Ed25519".into(), &"EdDSA".into()));
                (format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, key["x"]), &["x"])
            }
            other => panic!("a key of the type {other}"),
        };
        let digest = agentidp_core::crypto::sha256(&[thumbprint.as_bytes()]);
        assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(digest), "RFC 7638");
        for coordinate in coordinates {
            let text = key[coordinate].as_str().expect("a coordinate");
            assert_eq!(URL_SAFE_NO_PAD.decode(text).expect("without padding").len(), 32);
        }
    }
    assert!(!keys.is_empty());
    served.test.finish();
}

#[tokio::test]
async fn the_keys_change_as_they_turn_and_a_revoked_one_is_gone_at_once() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let before = served.get(JWKS).await;
    let body = served.token_of(&acme, "openid").await;
    let old = body["access_token"].as_str().expect("a token").to_owned();
    let kid = parts(&old).0["kid"].as_str().expect("a name").to_owned();
    assert!(before.body.contains(&kid));
    let next = served.test.idp.rotate_key(KeyRotation::tokens(Alg::Es256)).expect("a key").key;
    let after = served.get(JWKS).await;
    assert!(after.body.contains(&next.kid) && after.body.contains(&kid));
    assert_ne!(after.header("etag"), before.header("etag"));
    served.test.idp.revoke_key(&kid).expect("a revoked key");
    assert!(!served.get(JWKS).await.body.contains(&kid));
    assert_eq!(served.agent_info(&format!("Bearer {old}")).await.status, 401);
    let body = served.token_of(&acme, "openid").await;
    let new = body["access_token"].as_str().expect("a token");
    assert_eq!(parts(new).0["kid"], next.kid);
    assert_eq!(served.agent_info(&format!("Bearer {new}")).await.status, 200);
    served.test.finish();
}

/// Each thing that the metadata names is done, by a client that knows nothing else.
#[tokio::test]
async fn what_is_advertised_is_there() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let metadata = served.get(OIDC).await.json();
    let (id, secret) = (acme.agent.client_id.as_str(), acme.credential.secret());
    let proven = |method: &str, request: Post| match method {
        "client_secret_basic" => request.basic(id, secret),
        "client_secret_post" => request.secret(id, secret),
        other => panic!("no test of {other}"),
    };
    let mut untested: BTreeSet<String> =
        metadata.as_object().expect("metadata").keys().cloned().collect();
    let mut named = |name: &str| {
        assert!(untested.remove(name), "{name} is not advertised, or twice");
        metadata[name].clone()
    };
    assert_eq!(named("issuer"), ISSUER);
    let (token_endpoint, jwks_uri) = (named("token_endpoint"), named("jwks_uri"));
    let (introspection, revocation) =
        (named("introspection_endpoint"), named("revocation_endpoint"));
    let userinfo = named("userinfo_endpoint");
    let (grants, scopes) = (named("grant_types_supported"), named("scopes_supported"));
    assert_eq!(texts(&grants), ["client_credentials"]);
    assert_eq!(texts(&scopes), ["openid"]);
    let mut last = Value::Null;
    for method in texts(&named("token_endpoint_auth_methods_supported")) {
        let request = post(path(&token_endpoint)).with("grant_type", "client_credentials");
        let answer = proven(method, request.with("scope", "openid")).to(&served).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        last = answer.json();
    }
    let access_token = last["access_token"].as_str().expect("a token");
    let (header, claims) = parts(last["id_token"].as_str().expect("an ID token"));
    let algs = named("id_token_signing_alg_values_supported");
    assert!(texts(&algs).contains(&header["alg"].as_str().expect("an algorithm")));
    let told: BTreeSet<_> =
        claims.as_object().expect("claims").keys().map(String::as_str).collect();
    let claims_supported = named("claims_supported");
    assert_eq!(BTreeSet::from_iter(texts(&claims_supported)), told);
    let keys = served.get(path(&jwks_uri)).await.json();
    let keys = keys["keys"].as_array().expect("keys").iter();
    assert_eq!(keys.filter(|key| key["kid"] == header["kid"]).count(), 1);
    let request =
        Request::get(path(&userinfo)).header("authorization", format!("Bearer {access_token}"));
    let answer = served.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["sub"]), (200, &claims["sub"]));
    for method in texts(&named("introspection_endpoint_auth_methods_supported")) {
        let request = post(path(&introspection)).with("token", access_token);
        assert_eq!(proven(method, request).to(&served).await.json()["active"], true);
    }
    for method in texts(&named("revocation_endpoint_auth_methods_supported")) {
        let request = post(path(&revocation)).with("token", access_token);
        assert_eq!(proven(method, request).to(&served).await.status, 200);
    }
    for resource in texts(&named("protected_resources")) {
        let answer = token().with("resource", resource).by(&acme).to(&served).await;
        assert_eq!(answer.status, 200);
    }
    for stated in
        ["response_types_supported", "subject_types_supported", "request_uri_parameter_supported"]
    {
        named(stated);
    }
    assert!(untested.is_empty(), "advertised and not tried: {untested:?}");
    served.test.finish();
}

#[tokio::test]
async fn the_api_tells_about_itself() {
    let served = Served::new();
    let metadata = served.get(RESOURCE).await.json();
    assert_eq!(metadata["resource"], ISSUER);
    assert_eq!(texts(&metadata["authorization_servers"]), [ISSUER]);
    assert_eq!(texts(&metadata["bearer_methods_supported"]), ["header"]);
    let scopes = texts(&metadata["scopes_supported"]);
    for scope in
        ["openid", "agents:read", "agents:write", "credentials:read", "audit:read", "admin:orgs"]
    {
        assert_eq!(scopes.iter().filter(|known| **known == scope).count(), 1, "{scope}");
    }
    served.test.finish();
}
