//! An identity provider inside an axum service: token endpoint, keys, and a route that asks for a token.
//! `cargo run -p agentidp-examples --example embed_axum` prints a `curl` line to try.

use std::error::Error;
use std::io::Write as _;

use agentidp_core::{AsyncIdp, Config, Idp, KekSource};
use agentidp_core::{NewAgent, NewCredential, NewOrg, TokenRequest};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};

const SERVICE: &str = "https://api.example.com";

/// The body of a token request (RFC 6749 section 4.4.2).
#[derive(serde::Deserialize)]
struct TokenForm {
    grant_type: String,
    client_id: String,
    client_secret: String,
}

async fn token(State(idp): State<AsyncIdp>, Form(form): Form<TokenForm>) -> Response {
    if form.grant_type != "client_credentials" {
        return (StatusCode::BAD_REQUEST, "unsupported_grant_type").into_response();
    }
    let request = TokenRequest::client_credentials(form.client_id, form.client_secret);
    // Issuing waits for a durable commit: not on a thread of the runtime.
    match idp.run(move |idp| idp.token(&request)).await {
        Ok(Ok(token)) => ([(header::CACHE_CONTROL, "no-store")], Json(token)).into_response(),
        Ok(Err(error)) => refusal(error.code().http_status(), error.code().as_str()),
        Err(overloaded) => refusal(503, overloaded.code().as_str()),
    }
}

async fn jwks(State(idp): State<AsyncIdp>) -> Response {
    let Ok(jwks) = idp.jwks().await else { return refusal(503, "overloaded") };
    ([(header::CONTENT_TYPE, "application/jwk-set+json")], jwks.to_json()).into_response()
}

async fn whoami(State(idp): State<AsyncIdp>, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let Ok(verifier) = idp.verifier().await else { return refusal(503, "overloaded") };
    match verifier.verify_access_token(token, SERVICE) {
        Ok(claims) => format!("{} of {}\n", claims.sub, claims.organization_id).into_response(),
        Err(_) => refusal(401, "invalid_token"),
    }
}

fn refusal(status: u16, code: &'static str) -> Response {
    (StatusCode::from_u16(status).unwrap_or_default(), code).into_response()
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "localhost:8080".to_owned());
    let home = tempfile::tempdir()?;
    let config = Config::sqlite(home.path().join("agentidp.db"));
    let kek = KekSource::file(home.path().join("kek.key"));
    let idp = Idp::open(config.kek(kek).issuer(format!("http://{listen}")))?;
    let acme = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    let agent = acme.register_agent(NewAgent::new("bot").scope("read").audience(SERVICE))?;
    let credential = acme.issue_credential(&agent.id, NewCredential::default())?;
    let (client, secret) = (&agent.client_id, credential.secret());
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
    let file = home.path().join("request");
    std::fs::write(&file, form)?;
    writeln!(std::io::stderr(), "curl -d @{} http://{listen}/oauth2/token", file.display())?;
    let routes = Router::new()
        .route("/oauth2/token", post(token))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/whoami", get(whoami))
        .with_state(AsyncIdp::new(idp)?);
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        Ok(axum::serve(listener, routes).await?)
    })
}
