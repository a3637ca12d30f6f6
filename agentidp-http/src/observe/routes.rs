//! `/healthz` and `/readyz` for everybody, `/metrics` for the operator.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::exposition::{CONTENT_TYPE, exposition};
use crate::answer::Inside;
use crate::app::App;

/// What load balancers ask.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

/// The same, and what the operator's tools read.
pub(crate) fn admin_routes() -> Router<App> {
    routes().route("/metrics", get(metrics))
}

/// The process answers.
async fn healthz() -> Response {
    answer(StatusCode::OK, "application/json", "{\"status\":\"ok\"}".to_owned())
}

/// The process can do its work.
async fn readyz(State(app): State<App>) -> Response {
    let health = app.health();
    let instance = match health.lately() {
        Some(known) => known,
        None => {
            let looker = health.clone();
            // All threads busy is a state in which no more work should come.
            let looked = app.idp().run(move |idp| looker.look(idp)).await;
            looked.unwrap_or_else(|full| {
                Some(Inside::hidden(full.code().as_str(), &full.to_string()))
            })
        }
    };
    let readiness = health.readiness(instance.as_ref().map(|wrong| wrong.code));
    let body = serde_json::to_string(&readiness).unwrap_or_default();
    let Some(wrong) = readiness.wrong() else {
        return answer(StatusCode::OK, "application/json", body);
    };
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, "application/json", body);
    // Why, for the log alone: strangers ask too.
    let inside = instance.unwrap_or_else(|| Inside::told(wrong));
    response.extensions_mut().insert(inside);
    response
}

async fn metrics(State(app): State<App>) -> Response {
    answer(StatusCode::OK, CONTENT_TYPE, exposition(&app))
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let fields = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (status, fields, body).into_response()
}
