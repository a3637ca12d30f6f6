//! Proofs of having a key, for one request each (RFC 9449).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use crate::base::Timestamp;
use crate::base::limits::{FOREIGN_JTI_BYTES_MAX, SKEW_SECONDS, URL_BYTES_MAX};
use crate::crypto::{CryptoProvider, constant_time_eq, sha256};
use crate::jose::{VerifyError, parse_compact};

use super::{ClaimReader, SingleUse};

/// The `typ` of proofs (RFC 9449 section 4.2).
const PROOF_TYPE: &str = "dpop+jwt";

/// The request that a proof must be made for.
#[derive(Debug, Clone, Copy)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URL. Query and fragment do not count.
    pub url: &'a str,
    /// The access token that is presented with it, if one is.
    pub access_token: Option<&'a str>,
}

/// A key that somebody proved to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenKey {
    /// Its thumbprint (RFC 7638): the `jkt` of tokens that are bound to it.
    pub jkt: String,
    /// The nonce in the proof.
    pub nonce: Option<String>,
    /// What has to be remembered so that the proof is used once.
    pub single_use: SingleUse,
}

/// Verifies a proof for `request` (RFC 9449 section 4.3, but for the nonce and the single use). It
/// brings its own key: what it proves is that whoever made it has that one.
///
/// ```
/// # #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use agentidp_core::crypto::{Alg, CryptoProvider, base64url};
/// # use agentidp_core::{SystemRng, verify::{ProvenRequest, verify_dpop_proof}};
/// use agentidp_core::{Clock as _, SystemClock};
/// # let provider = CryptoProvider::default_provider();
/// # let key = provider.signer(&provider.generate(Alg::EdDsa, &SystemRng)?)?;
/// # let now = SystemClock.now().as_seconds();
/// let url = "https://api.example.com/invoices";
/// let header = serde_json::json!({
///     "typ": "dpop+jwt", "alg": "EdDSA", "jwk": key.public_key().to_jwk(),
/// });
/// let claims = serde_json::json!({ "jti": "1", "htm": "GET", "htu": url, "iat": now });
/// # let (header, claims) = (header.to_string(), claims.to_string());
/// let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
/// let proof = format!("{input}.{}", base64url(&key.sign(input.as_bytes())?));
///
/// let request = ProvenRequest { method: "GET", url, access_token: None };
/// let proven = verify_dpop_proof(&proof, request, &provider, SystemClock.now())?;
/// assert_eq!(proven.jkt, key.public_key().thumbprint());
/// # Ok(())
/// # }
/// # #[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
/// # fn main() {}
/// ```
///
/// # Errors
/// [`VerifyError`] when anything at all is not as it should be.
pub fn verify_dpop_proof(
    proof: &str,
    request: ProvenRequest<'_>,
    provider: &CryptoProvider,
    now: Timestamp,
) -> Result<ProvenKey, VerifyError> {
    let token = parse_compact(proof)?;
    if !token.header().is_type(PROOF_TYPE) {
        return Err(VerifyError::Type);
    }
    let jwk = token.embedded_key()?;
    let verifier = provider.verifier(jwk.key()).map_err(|_| VerifyError::Algorithm)?;
    token.verify(verifier.as_ref())?;
    proven_key(token.payload(), jwk.key().thumbprint(), request, now)
}

/// The key with the thumbprint `jkt`, which signed a proof of that payload: all that is verified but
/// the signature.
pub(crate) fn proven_key(
    payload: &[u8],
    jkt: String,
    request: ProvenRequest<'_>,
    now: Timestamp,
) -> Result<ProvenKey, VerifyError> {
    let mut claims = ClaimReader::new(payload)?;
    let jti = claims.string("jti")?;
    if jti.len() > FOREIGN_JTI_BYTES_MAX {
        return Err(VerifyError::Claim("jti"));
    }
    if claims.string("htm")? != request.method {
        return Err(VerifyError::Claim("htm"));
    }
    if !same_url(&claims.string("htu")?, request.url) {
        return Err(VerifyError::Claim("htu"));
    }
    let iat = claims.seconds("iat")?;
    check_recent(iat, now)?;
    let ath = claims.optional_string("ath")?;
    if !is_hash_of(ath.as_deref(), request.access_token) {
        return Err(VerifyError::Claim("ath"));
    }
    let jti_hash = sha256(&[b"agentidp/dpop-proof/v1", jkt.as_bytes(), jti.as_bytes()]);
    let until = Timestamp::from_seconds(iat + SKEW_SECONDS + 1);
    let nonce = claims.optional_string("nonce")?;
    Ok(ProvenKey { jkt, nonce, single_use: SingleUse { jti_hash, until } })
}

/// The confirmation by which a token is bound to that key (RFC 9449 section 6).
pub fn bound_to(jkt: &str) -> Value {
    json!({ "jkt": jkt })
}

/// The key that a token is bound to by its claim `cnf`.
///
/// ```
/// use agentidp_core::oidc::{bound_key, bound_to};
/// let cnf = bound_to("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// assert_eq!(bound_key(Some(&cnf))?, Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
/// assert_eq!(bound_key(None)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`VerifyError::Claim`] when the claim says anything else: what we cannot check we do not ignore.
pub fn bound_key(cnf: Option<&Value>) -> Result<Option<&str>, VerifyError> {
    let Some(cnf) = cnf else { return Ok(None) };
    let members = cnf.as_object().filter(|members| members.len() == 1);
    let jkt = members.and_then(|members| members.get("jkt")?.as_str());
    jkt.map(Some).ok_or(VerifyError::Claim("cnf"))
}

/// A proof is made for each request, by a clock that is right to the skew.
fn check_recent(iat: i64, now: Timestamp) -> Result<(), VerifyError> {
    let age = now.as_seconds() - iat;
    if age > SKEW_SECONDS {
        return Err(VerifyError::Expired);
    }
    if age < -SKEW_SECONDS {
        return Err(VerifyError::NotYetValid);
    }
    Ok(())
}

/// Whether `ath` is the hash of the token that is presented (RFC 9449 section 4.2).
fn is_hash_of(ath: Option<&str>, access_token: Option<&str>) -> bool {
    let Some(token) = access_token else { return true };
    let hash = URL_SAFE_NO_PAD.encode(sha256(&[token.as_bytes()]));
    ath.is_some_and(|ath| constant_time_eq(ath.as_bytes(), hash.as_bytes()))
}

/// Compared after the normalization of RFC 3986 section 6.2, without query and fragment (RFC 9449
/// section 4.3).
fn same_url(proven: &str, url: &str) -> bool {
    let bare = |text: &str| {
        let mut url = Url::parse(text).ok().filter(|_| text.len() <= URL_BYTES_MAX)?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    matches!((bare(proven), bare(url)), (Some(proven), Some(url)) if proven == url)
}
