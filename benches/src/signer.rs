//! `-- signer ADDRESS`: a token endpoint without any state on the HTTP stack of the server. It reads a
//! form and a Basic header, signs, and answers; it knows no clients and writes nothing. What the server
//! could reach at most: scripts/bench-http drives it beside the server.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;

use agentidp_core::crypto::Signer;
use agentidp_core::{Alg, Clock, CryptoProvider, SystemClock, SystemRng};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

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
    serve(TcpListener::bind(address).expect("the address"), &routes);
}

/// Each processor has a thread that serves its share of the connections, as those of the server.
fn serve(listener: TcpListener, routes: &Router) {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (hand_over, streams) = unbounded_channel();
            let (address, routes) = (listener.local_addr().expect("an address"), routes.clone());
            std::thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build();
                let served = axum::serve(Accepted { streams, address }, routes);
                runtime.expect("a runtime").block_on(async { served.await.expect("no end") });
            });
            hand_over
        })
        .collect();
    for (stream, thread) in listener.incoming().zip(threads.iter().cycle()) {
        thread.send(stream.expect("a connection")).expect("a thread");
    }
}

/// The connections that one thread is to serve.
struct Accepted {
    streams: UnboundedReceiver<std::net::TcpStream>,
    address: SocketAddr,
}

impl Listener for Accepted {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let stream = self.streams.recv().await.expect("the thread that accepts");
        stream.set_nonblocking(true).expect("a connection");
        (TcpStream::from_std(stream).expect("a runtime"), self.address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
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
