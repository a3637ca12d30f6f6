//! Proofs of keys: nonces for them, and using each once (RFC 9449).

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::{Timestamp, limits};
use crate::crypto::{constant_time_eq, hmac_sha256};
use crate::jose::VerifyError;
use crate::model::{DpopProof, Refusal};
use crate::oidc::{ProvenKey, ProvenRequest, SingleUse, verify_dpop_proof};

use super::context::Context;
use super::error::Fault;

/// Verifies a proof that came with a token request (RFC 9449 section 5).
pub(super) fn prove_for_token(
    context: &Context,
    proof: &DpopProof,
    now: Timestamp,
) -> Result<ProvenKey, Refusal> {
    let proven = prove(context, proof, None, now).map_err(|_| Refusal::WrongDpopProof)?;
    if nonce_is_missing(context, proof, &proven, now) {
        return Err(Refusal::DpopNonceMissing);
    }
    Ok(proven)
}

/// Verifies a proof that came with a token.
pub(super) fn prove(
    context: &Context,
    proof: &DpopProof,
    access_token: Option<&str>,
    now: Timestamp,
) -> Result<ProvenKey, VerifyError> {
    let request = ProvenRequest { method: &proof.method, url: &proof.url, access_token };
    verify_dpop_proof(proof.proof.expose(), request, &context.provider, now)
}

/// Whether a nonce is missing, or the one that is there is not a recent one of ours.
pub(super) fn nonce_is_missing(
    context: &Context,
    proof: &DpopProof,
    proven: &ProvenKey,
    now: Timestamp,
) -> bool {
    match &proven.nonce {
        None => proof.nonce_required,
        Some(nonce) => !is_recent_nonce(context, nonce, now),
    }
}

/// A nonce for proofs, to be sent in `DPoP-Nonce`: good for [`limits::DPOP_NONCE_SECONDS`] at least. It
/// is the same for everybody, and no process has to remember it.
pub(crate) fn nonce(context: &Context, now: Timestamp) -> Result<String, Fault> {
    nonce_of(context, period(now)).ok_or(Fault::MissingKey("pepper"))
}

fn is_recent_nonce(context: &Context, nonce: &str, now: Timestamp) -> bool {
    [period(now), period(now) - 1].into_iter().any(|period| {
        nonce_of(context, period)
            .is_some_and(|own| constant_time_eq(own.as_bytes(), nonce.as_bytes()))
    })
}

fn period(now: Timestamp) -> i64 {
    now.as_seconds() / limits::DPOP_NONCE_SECONDS
}

fn nonce_of(context: &Context, period: i64) -> Option<String> {
    let (_, pepper) = context.keyring.newest_pepper()?;
    let mac = hmac_sha256(&pepper, &[b"agentidp/dpop-nonce/v1", &period.to_be_bytes()]);
    Some(URL_SAFE_NO_PAD.encode(mac))
}

/// Proofs that this process has seen at our own API. Those for tokens are in the database, since each
/// leaves something behind there; an answer to a question is not worth a commit.
#[derive(Default)]
pub(super) struct ProofsSeen(Mutex<Halves>);

/// Two halves of the time in which a proof may be used, so that the older is forgotten as a whole.
#[derive(Default)]
struct Halves {
    began: i64,
    now: HashSet<[u8; 32]>,
    before: HashSet<[u8; 32]>,
}

/// A proof is good for the skew in either direction.
const HALF_SECONDS: i64 = 2 * limits::SKEW_SECONDS + 1;

impl ProofsSeen {
    /// Takes note of a proof. `false` when it was seen before.
    pub(super) fn use_once(&self, used: &SingleUse, now: Timestamp) -> bool {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_seconds();
        // A flood of proofs, each of which cost its sender a signature, shortens what is remembered.
        let over = !(0..HALF_SECONDS).contains(&(now - halves.began));
        if over || halves.now.len() >= limits::PROOFS_SEEN_MAX {
            halves.before = std::mem::take(&mut halves.now);
            halves.began = now;
        }
        !halves.before.contains(&used.jti_hash) && halves.now.insert(used.jti_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_seen_once_for_as_long_as_it_may_be_used() {
        let seen = ProofsSeen::default();
        let proof = |n| SingleUse { jti_hash: [n; 32], until: Timestamp::from_seconds(0) };
        let at = Timestamp::from_seconds;
        assert!(seen.use_once(&proof(1), at(1000)));
        assert!(!seen.use_once(&proof(1), at(1000)));
        assert!(seen.use_once(&proof(2), at(1000)));
        assert!(!seen.use_once(&proof(1), at(1000 + HALF_SECONDS)), "in the half before");
        assert!(!seen.use_once(&proof(2), at(1000 + 2 * HALF_SECONDS - 1)));
        assert!(seen.use_once(&proof(3), at(1000 + 2 * HALF_SECONDS)), "and then forgotten");
        assert!(seen.use_once(&proof(1), at(1000 + 2 * HALF_SECONDS)));
    }
}
