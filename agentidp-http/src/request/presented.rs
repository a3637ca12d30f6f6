//! Access tokens as they are presented to what they give access to, with the proof of a key or without.

use agentidp_core::{DpopProof, ErrorCode, PresentedToken};
use axum::http::{HeaderMap, Method};

use super::{AccessToken, TokenScheme, dpop};
use crate::answer::{Challenge, Problem};
use crate::app::App;

/// The token of a request of `method` to `url`, which is that of the issuer's and not made of what the
/// request says.
pub(crate) fn presented(
    app: &App,
    headers: &HeaderMap,
    method: &Method,
    url: String,
) -> Result<PresentedToken, Problem> {
    let AccessToken { scheme, token } = AccessToken::of(headers)?;
    match scheme {
        TokenScheme::Bearer => Ok(PresentedToken::bearer(token)),
        TokenScheme::Dpop => {
            let proof = dpop::proof(headers).ok().flatten().ok_or_else(no_proof)?;
            let proof = DpopProof::new(proof, method.as_str(), url);
            let proof = proof.require_nonce(app.requires_dpop_nonces());
            Ok(PresentedToken::dpop(token, proof))
        }
    }
}

fn no_proof() -> Problem {
    let detail = "there must be one proof in one `DPoP` field";
    Problem::new(ErrorCode::InvalidDpopProof, detail).unproven(Challenge::ProofInvalid)
}
