//! Around every handler.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::{BodyWatch, Fault};
use crate::answer::request_id::RequestId;
use crate::answer::{Inside, OAuthError, Problem};
use crate::app::App;
use crate::limits::{Left, hear, write_left, write_limited};
use crate::observe::{MethodLabel, NO_ROUTE, RequestLine, TraceParent};
use crate::serve::{Peer, Way};

/// For how long browsers keep to https (RFC 6797): a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What is known of a request before its handler.
struct Asked {
    begun: Instant,
    route: Option<MatchedPath>,
    method: MethodLabel,
    peer: Option<Peer>,
    trace: Option<TraceParent>,
    body: Option<BodyWatch>,
    names_its_host: bool,
    ends_connection: bool,
    request_id: RequestId,
}

/// Lets a request in if it may come, and tells of it afterwards.
pub(crate) async fn handle(State(app): State<App>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let (mut response, left) = match asked.refusal(&app) {
        Some(refusal) => (refusal, None),
        // Whoever watches over the server must see it when it has most to do.
        None if asked.watches() => (next.run(request).await, None),
        None => match app.in_flight().begin() {
            Some(_flying) => hear(next.run(request)).await,
            None => (asked.refuse(Refusal::Overloaded), None),
        },
    };
    if let Some(fault) = asked.body.as_ref().and_then(BodyWatch::fault) {
        response = asked.refuse(match fault {
            Fault::TooLarge => Refusal::TooLarge,
            Fault::TooSlow => Refusal::TooSlow,
        });
    }
    asked.finish(&app, &mut response, left);
    asked.request_id.write(&app, &mut response);
    response
}

/// Why a request does not come to its handler, or its answer not to the client.
enum Refusal {
    Hosts,
    Exposed,
    Overloaded,
    TooLarge,
    TooSlow,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        let extensions = request.extensions();
        Asked {
            begun: Instant::now(),
            route: extensions.get::<MatchedPath>().cloned(),
            method: MethodLabel::of(request.method()),
            peer: extensions.get::<Peer>().copied(),
            trace: TraceParent::of(request.headers()),
            body: extensions.get::<BodyWatch>().cloned(),
            names_its_host: names_its_host(request),
            // Where the length was given as well, hyper has taken it away, and what follows may be meant
            // for another reader (RFC 9112 section 6.1).
            ends_connection: request.headers().contains_key(header::TRANSFER_ENCODING),
            request_id: RequestId::new(),
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
    }

    fn is_oauth(&self) -> bool {
        self.route().contains("/oauth2/")
    }

    /// Whether it asks how the server is. That is cheap, and has no limit.
    fn watches(&self) -> bool {
        matches!(self.route(), "/healthz" | "/readyz" | "/metrics")
    }

    /// What is answered in the handler's stead, decided before anything is read but the head.
    fn refusal(&self, app: &App) -> Option<Response> {
        // Without a socket there is no peer: a host of one's own stands before us.
        let peer = self.peer?;
        if !self.names_its_host {
            return Some(self.refuse(Refusal::Hosts));
        }
        if peer.way == Way::Exposed {
            return Some(self.refuse(Refusal::Exposed));
        }
        if self.watches() {
            return None;
        }
        let limited = app.rates().check_address(peer.address).err()?;
        Some(if self.is_oauth() {
            OAuthError::limited(limited).into_response()
        } else {
            Problem::limited(limited).into_response()
        })
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        let (status, code, text) = match refusal {
            Refusal::Hosts => {
                (StatusCode::BAD_REQUEST, "invalid_input", "the field `Host` is there once")
            }
            Refusal::Exposed => (
                StatusCode::FORBIDDEN,
                "https_required",
                "what is sent here in the open others can read: use https, and renew the secrets you sent",
            ),
            Refusal::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "there are more requests than can be answered at once",
            ),
            Refusal::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large")
            }
            Refusal::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long")
            }
        };
        let mut response = if self.is_oauth() {
            let error = match refusal {
                Refusal::Overloaded => "temporarily_unavailable",
                _ => "invalid_request",
            };
            OAuthError::of(status, error, text).into_response()
        } else {
            Problem::of(status, code, text).into_response()
        };
        // What is left of the body nobody reads.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    fn finish(&self, app: &App, response: &mut Response, left: Option<Left>) {
        // Who is not let in, such as a suspended agent that proves itself, learns as little as a stranger.
        let left = left.filter(|_| response.status() != StatusCode::UNAUTHORIZED);
        let inside = response.extensions().get::<Inside>();
        let limited = inside.and_then(|inside| inside.limited.clone());
        let retry_after = inside.and_then(|inside| inside.retry_after);
        let headers = response.headers_mut();
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        match (limited, left) {
            (Some(limited), _) => write_limited(&limited, headers),
            (None, Some(left)) => write_left(left, headers),
            (None, None) => {}
        }
        if self.peer.is_some_and(|peer| peer.way == Way::Https) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        if self.ends_connection {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let duration = self.begun.elapsed();
        let status = response.status().as_u16();
        app.metrics().answered(self.route(), self.method, status, duration);
        if app.log().wants(status) {
            self.log(app, response, duration);
        }
    }

    fn log(&self, app: &App, response: &Response, duration: Duration) {
        let inside = response.extensions().get::<Inside>();
        app.log().request(&RequestLine {
            request_id: self.request_id.as_str(),
            trace_id: self.trace.as_ref().map(TraceParent::trace_id),
            client: self.peer.map(|peer| peer.address),
            method: self.method.as_str(),
            route: self.route(),
            status: response.status().as_u16(),
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            code: inside.map(|inside| inside.code),
            cause: inside.and_then(|inside| inside.cause.as_deref()),
        });
    }
}

/// Once, which HTTP/1.0 did not ask for (RFC 9112 section 3.2).
fn names_its_host(request: &Request) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() == Version::HTTP_10)
}
