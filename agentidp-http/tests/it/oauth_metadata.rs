//! What the instance tells about itself, and that it does as it says (RFC 8414, OpenID Connect
//! Discovery, RFC 9728, RFC 7517).

use std::collections::BTreeSet;

use agentidp_core::base::limits;
use agentidp_core::{AgentChanges, Alg, Config, Idp, KekSource, KeyRotation};
use agentidp_http::App;
use agentidp_testkit::{ISSUER, Tenant};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::forms::{Post, parts, post, texts, token};
use crate::pen::Pen;
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
    // There is no response type, and nothing that would belong to one.
    for absent in ["code_challenge_methods_supported", "registration_endpoint"] {
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

/// The metadata as a list of promises, each of which is to be tried.
struct Promises {
    metadata: Value,
    untried: BTreeSet<String>,
}

impl Promises {
    async fn of(served: &Served) -> Promises {
        let metadata = served.get(OIDC).await.json();
        let untried = metadata.as_object().expect("metadata").keys().cloned().collect();
        Promises { metadata, untried }
    }

    fn try_out(&mut self, name: &str) -> Value {
        assert!(self.untried.remove(name), "{name} is not advertised, or tried twice");
        self.metadata[name].clone()
    }

    fn path(&mut self, name: &str) -> String {
        let url = self.try_out(name);
        url.as_str().expect("a URL").strip_prefix(ISSUER).expect("a URL of ours").to_owned()
    }
}

/// An agent that can prove itself in each way.
struct Client<'a> {
    served: &'a Served,
    tenant: &'a Tenant,
    pens: Vec<Pen>,
}

impl<'a> Client<'a> {
    fn new(served: &'a Served, tenant: &'a Tenant) -> Client<'a> {
        let pens: Vec<_> = Alg::ALL.iter().map(|alg| Pen::new(*alg)).collect();
        pens.iter().for_each(|pen| pen.register(served, tenant));
        Client { served, tenant, pens }
    }

    /// The key for an algorithm of that name.
    fn pen(&self, alg: &str) -> &Pen {
        let alg = Alg::parse(alg).expect("an algorithm").as_str();
        self.pens.iter().find(|pen| pen.alg() == alg).expect("a key")
    }

    /// `request`, once for each way to prove the client that is advertised.
    fn proven(&self, methods: &Value, algs: &Value, request: impl Fn() -> Post) -> Vec<Post> {
        let (id, secret) = (self.tenant.agent.client_id.as_str(), self.tenant.credential.secret());
        let by_key = |alg: &str| {
            let pen = self.pen(alg);
            let mut header = pen.header();
            header["alg"] = alg.into();
            pen.sign(&header, &pen.claims(self.served, self.tenant))
        };
        let each = |method: &str| match method {
            "client_secret_basic" => vec![request().basic(id, secret)],
            "client_secret_post" => vec![request().secret(id, secret)],
            "private_key_jwt" => {
                texts(algs).iter().map(|alg| request().assertion(&by_key(alg))).collect()
            }
            other => panic!("no test of {other}"),
        };
        texts(methods).iter().flat_map(|method| each(method)).collect()
    }
}

#[tokio::test]
async fn what_is_advertised_is_there() {
    let served = Served::new();
    let (acme, _) = served.test.two_orgs();
    let client = Client::new(&served, &acme);
    let mut promises = Promises::of(&served).await;
    assert_eq!(promises.try_out("issuer"), ISSUER);
    let token_path = promises.path("token_endpoint");
    assert_eq!(texts(&promises.try_out("scopes_supported")), ["openid"]);
    let methods = promises.try_out("token_endpoint_auth_methods_supported");
    let algs = promises.try_out("token_endpoint_auth_signing_alg_values_supported");
    let request =
        || post(&token_path).with("grant_type", "client_credentials").with("scope", "openid");
    let mut last = Value::Null;
    for request in client.proven(&methods, &algs, request) {
        let answer = request.to(&served).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        last = answer.json();
    }
    let access_token = last["access_token"].as_str().expect("a token");
    let (header, claims) = parts(last["id_token"].as_str().expect("an ID token"));
    let told: BTreeSet<_> =
        claims.as_object().expect("claims").keys().map(String::as_str).collect();
    let claims_supported = promises.try_out("claims_supported");
    assert_eq!(BTreeSet::from_iter(texts(&claims_supported)), told);
    let keys = served.get(&promises.path("jwks_uri")).await.json();
    let keys = keys["keys"].as_array().expect("keys").iter();
    assert_eq!(keys.filter(|key| key["kid"] == header["kid"]).count(), 1);
    let userinfo = promises.path("userinfo_endpoint");
    let request = Request::get(userinfo).header("authorization", format!("Bearer {access_token}"));
    let answer = served.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["sub"]), (200, &claims["sub"]));
    for endpoint in ["introspection", "revocation"] {
        let path = promises.path(&format!("{endpoint}_endpoint"));
        let methods = promises.try_out(&format!("{endpoint}_endpoint_auth_methods_supported"));
        let algs =
            promises.try_out(&format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
        let request = || post(&path).with("token", access_token);
        for request in client.proven(&methods, &algs, request) {
            assert_eq!(request.to(&served).await.status, 200, "{endpoint}");
        }
    }
    try_out_the_rest(&served, &client, &mut promises).await;
    assert!(promises.untried.is_empty(), "advertised and not tried: {:?}", promises.untried);
    served.test.finish();
}

async fn try_out_the_rest(served: &Served, client: &Client<'_>, promises: &mut Promises) {
    for grant in texts(&promises.try_out("grant_types_supported")) {
        let request = post("/oauth2/token").with("grant_type", grant).by(client.tenant);
        let answer = request.to(served).await;
        match grant {
            "client_credentials" => assert_eq!(answer.status, 200),
            // Its own tests exchange tokens.
            _ => assert_eq!(answer.json()["error_description"], "subject_token is missing"),
        }
    }
    for alg in texts(&promises.try_out("dpop_signing_alg_values_supported")) {
        let pen = client.pen(alg);
        let mut header = pen.proof_header();
        header["alg"] = alg.into();
        let proof = pen.sign(&header, &pen.proof_claims(served, "POST", "/oauth2/token"));
        let answer = token().by(client.tenant).field("dpop", proof).to(served).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["token_type"]), (200, &"DPoP".into()));
    }
    let handle = served.test.idp.org(&client.tenant.org.id);
    for alg in texts(&promises.try_out("id_token_signing_alg_values_supported")) {
        let alg = Alg::parse(alg).expect("an algorithm");
        let changes = AgentChanges::new().token_alg(alg);
        handle.update_agent(&client.tenant.agent.id, &changes).expect("an algorithm of its own");
        let body = served.token_of(client.tenant, "openid").await;
        for name in ["id_token", "access_token"] {
            let (header, _) = parts(body[name].as_str().expect("a token"));
            assert_eq!(header["alg"], alg.as_str());
        }
    }
    for resource in texts(&promises.try_out("protected_resources")) {
        let answer = token().with("resource", resource).by(client.tenant).to(served).await;
        assert_eq!(answer.status, 200);
    }
    let authorization = promises.path("authorization_endpoint");
    // Of those that are registered, and one that nobody will; none is among those promised.
    let supported = promises.try_out("response_types_supported");
    for response_type in ["code", "token", "id_token", "none", "code id_token", "x"] {
        assert!(!texts(&supported).contains(&response_type));
        let answer = post(&authorization).with("response_type", response_type).to(served).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status.as_u16(), error), (400, "unsupported_response_type".into()));
    }
    for stated in ["subject_types_supported", "request_uri_parameter_supported"] {
        promises.try_out(stated);
    }
}

#[tokio::test]
async fn an_algorithm_is_advertised_once_there_is_a_key_for_it() {
    let served = Served::new();
    let before = served.get(OIDC).await;
    let algs = before.json()["id_token_signing_alg_values_supported"].clone();
    assert_eq!(texts(&algs), ["ES256", "EdDSA"]);
    served.test.idp.rotate_key(KeyRotation::tokens(Alg::Rs256)).expect("a key");
    let after = served.get(OIDC).await;
    let algs = after.json()["id_token_signing_alg_values_supported"].clone();
    assert_eq!(texts(&algs), ["ES256", "EdDSA", "RS256"]);
    assert_ne!(after.header("etag"), before.header("etag"));
    served.test.finish();
}

#[tokio::test]
async fn an_algorithm_that_another_process_made_a_key_for_is_advertised_within_seconds() {
    let served = Served::new();
    let before = served.get(OIDC).await;
    let other = served.test.reopen();
    other.rotate_key(KeyRotation::tokens(Alg::Rs256)).expect("a key");
    served.test.clock.step(limits::KEYS_STALE_MAX);
    for path in [OIDC, OAUTH] {
        let request = Request::get(path).header("if-none-match", before.header("etag"));
        let after = served.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(after.status, 200, "{path}: what the client holds is not it any more");
        let algs = after.json()["id_token_signing_alg_values_supported"].clone();
        assert_eq!(texts(&algs), ["ES256", "EdDSA", "RS256"]);
        assert_ne!(after.header("etag"), before.header("etag"));
        assert_eq!(after.header("cache-control"), "public, max-age=600");
    }
    let key = other.keys().expect("keys").into_iter().find(|key| key.alg == Alg::Rs256);
    other.revoke_key(&key.expect("the key").kid).expect("a revoked key");
    served.test.clock.step(limits::KEYS_STALE_MAX);
    let again = served.get(OIDC).await;
    assert_eq!((&again.body, again.header("etag")), (&before.body, before.header("etag")));
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
