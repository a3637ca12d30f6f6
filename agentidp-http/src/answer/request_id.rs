//! Every answer names its request: in `X-Request-Id`, and in the body of a problem.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use agentidp_core::base::EntropyError;
use agentidp_core::{EventId, Rng, SystemClock};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use super::{Challenge, Problem, hand_out_nonce};
use crate::app::App;

/// The field that carries it.
const FIELD: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request. Ours: what clients send could be anything.
#[derive(Debug)]
pub(crate) struct RequestId(Option<EventId>);

impl RequestId {
    /// A new name.
    pub(crate) fn new() -> RequestId {
        RequestId(EventId::generate(&SystemClock, &Numbers).ok())
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", EventId::as_str)
    }

    /// Names the request in its answer, and writes the body and the challenge of a problem.
    pub(crate) fn write(&self, app: &App, response: &mut Response) {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            *response.body_mut() = Body::from(problem.body(self.as_str()));
            let challenge = problem.challenge();
            let resource = app.documents().resource_metadata_url();
            for field in challenge.map(|challenge| challenge.fields(resource)).unwrap_or_default() {
                response.headers_mut().append(header::WWW_AUTHENTICATE, field);
            }
            if challenge == Some(Challenge::NonceMissing) {
                hand_out_nonce(app, response);
            }
        }
        if let Ok(value) = HeaderValue::from_str(self.as_str()) {
            response.headers_mut().insert(FIELD, value);
        }
    }
}

/// What tells names apart that are made in the same microsecond. Nothing is safe because a name is hard to
/// guess, so the system is asked once and not for each: what follows from a count, under a key that nobody
/// knows, tells neither the count nor the next name.
#[derive(Debug)]
struct Numbers;

impl Rng for Numbers {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        for chunk in bytes.chunks_mut(size_of::<u64>()) {
            let number = KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)).to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(byte, random)| *byte = random);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_ids_and_each_is_another() {
        let names: Vec<RequestId> = (0..10_000).map(|_| RequestId::new()).collect();
        let different: HashSet<&str> = names.iter().map(RequestId::as_str).collect();
        assert_eq!(different.len(), names.len());
        assert!(different.into_iter().all(|name| EventId::parse(name).is_ok()));
    }
}
