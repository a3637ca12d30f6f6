//! What a request with an access token lacks, told in `WWW-Authenticate` (RFC 6750 section 3, RFC 9449
//! section 7.1).

use std::fmt::Write as _;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use crate::app::App;
use crate::oauth::FOREIGN_ALGS;

/// Why a request is not let in, as far as its bearer may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// There is no token: no error code is told then (RFC 6750 section 3.1).
    TokenMissing,
    /// The field is not one that carries a token.
    RequestMalformed,
    /// The token is not valid.
    TokenInvalid,
    /// The token lacks a scope, which is this one where that is one.
    ScopeMissing(Option<&'static str>),
    /// The proof of a key is not valid.
    ProofInvalid,
    /// The proof of a key lacks a recent nonce.
    NonceMissing,
}

impl Challenge {
    /// The fields, one for each way to present a token that is of use. They also say where the resource
    /// tells about itself (RFC 9728 section 5.1).
    pub(crate) fn fields(self, resource_metadata: &str) -> Vec<HeaderValue> {
        let mut rest = String::new();
        if let Some(error) = self.error() {
            let _ = write!(rest, ", error=\"{error}\"");
        }
        if let Challenge::ScopeMissing(Some(scope)) = self {
            let _ = write!(rest, ", scope=\"{scope}\"");
        }
        let _ = write!(rest, ", resource_metadata=\"{resource_metadata}\"");
        let bearer = format!("Bearer realm=\"{REALM}\"{rest}");
        let algs = FOREIGN_ALGS.join(" ");
        let dpop = format!("DPoP realm=\"{REALM}\", algs=\"{algs}\"{rest}");
        // Who sent a proof has nothing to gain from a token without one.
        let proven = matches!(self, Challenge::ProofInvalid | Challenge::NonceMissing);
        let texts = if proven { vec![dpop] } else { vec![bearer, dpop] };
        texts.iter().filter_map(|text| HeaderValue::from_str(text).ok()).collect()
    }

    fn error(self) -> Option<&'static str> {
        match self {
            Challenge::TokenMissing => None,
            Challenge::RequestMalformed => Some("invalid_request"),
            Challenge::TokenInvalid => Some("invalid_token"),
            Challenge::ScopeMissing(_) => Some("insufficient_scope"),
            Challenge::ProofInvalid => Some("invalid_dpop_proof"),
            Challenge::NonceMissing => Some("use_dpop_nonce"),
        }
    }
}

/// Sends a nonce for the next proof (RFC 9449 section 8). Without one the answer stands for itself.
pub(crate) fn hand_out_nonce(app: &App, response: &mut Response) {
    let nonce = app.idp().idp().dpop_nonce().ok();
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
        response.headers_mut().insert(NONCE, nonce);
    }
}

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// What is guarded, as far as one may know.
const REALM: &str = "agentidp";
