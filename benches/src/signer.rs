//! `-- signer ADDRESS`: a token endpoint without any state on the HTTP stack of the server. It reads a
//! form and a Basic header, signs, and answers; it knows no clients and writes nothing. What the server
//! could reach at most: scripts/bench-http drives it beside the server.

use std::sync::Arc;

use agentidp_core::crypto::Signer;
use agentidp_core::{Alg, Clock, CryptoProvider, SystemClock, SystemRng};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

const LIFE_SECONDS: i64 = 3600;

struct Signs {
    header: String,
    signer: Arc<dyn Signer>,
}

/// Answers until the process is ended.
pub(crate) fn run(address: &str) {
    let provider = CryptoProvider::aws_lc();
    let key = provider.generate(Alg::Es256, &SystemRng).expect("a key");
    let signer = provider.signer(&key).expect("a signer");
    let kid = signer.public_key().thumbprint();
    let header = json!({ "alg": "ES256", "kid": kid, "typ": "at+jwt" });
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let routes = Router::new()
        .route("/oauth2/token", post(token))
        // What the driver asks for to see that it has started.
        .route("/.well-known/openid-configuration", get(|| async { Json(json!({})) }))
        .with_state(Arc::new(Signs { header, signer }));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.expect("the address");
        axum::serve(listener, routes).await.expect("the listener");
    });
}

async fn token(State(signs): State<Arc<Signs>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(client) = client(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let mut form = url::form_urlencoded::parse(&body);
    let Some((_, scope)) = form.find(|(name, _)| name == "scope") else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let now = SystemClock.now().as_seconds();
    let claims = json!({
        "iss": "http://localhost:8080", "sub": client, "aud": "https://api.example.com",
        "exp": now + LIFE_SECONDS, "iat": now, "jti": "01900000-0000-7000-8000-000000000000",
        "client_id": client, "scope": scope, "organization_id": client,
        "agent_did": format!("did:web:localhost%3A8080:agents:{client}"),
    });
    let message = format!("{}.{}", signs.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signs.signer.sign(message.as_bytes()).expect("a signature");
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let answer = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": LIFE_SECONDS, "scope": scope,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// The client that a Basic header names.
fn client(headers: &HeaderMap) -> Option<String> {
    let basic = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    Some(pair.split_once(':')?.0.to_owned())
}
