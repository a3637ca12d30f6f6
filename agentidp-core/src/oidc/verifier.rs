//! The verifier of our tokens: for a resource server with a key set, and for ourselves.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{
    ACCESS_TOKEN_TYPE, AccessTokenClaims, ID_TOKEN_TYPE, IdTokenClaims, ProvenKey, bound_key,
};
use crate::base::limits::{SKEW_SECONDS, TOKEN_LIFE_SECONDS_MAX};
use crate::base::{Clock, SystemClock};
use crate::crypto::{CryptoError, CryptoProvider, SignatureVerifier};
use crate::jose::{Compact, Jwks, VerifyError, parse_compact};

/// Verifies the tokens of one issuer with a set of keys, which are parsed once.
///
/// ```
/// # #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))] {
/// use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
/// let jwks = Jwks::parse(br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#).unwrap();
/// let provider = CryptoProvider::default_provider();
/// let verifier = Verifier::new("https://idp.example.com", &jwks, &provider).unwrap();
/// assert!(verifier.verify_access_token("not a token", "https://api.example.com").is_err());
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier {
    issuer: String,
    organization: Option<String>,
    keys: HashMap<String, Arc<dyn SignatureVerifier>>,
    /// The key for tokens that name none: there is one only if the set has no other.
    sole_key: Option<Arc<dyn SignatureVerifier>>,
    clock: Arc<dyn Clock>,
    skew_seconds: i64,
    life_seconds_max: i64,
}

impl Verifier {
    /// A verifier of the tokens that `issuer` signs with a key of `jwks`.
    ///
    /// Keys of an algorithm that `provider` does not offer are left out: their tokens are refused.
    ///
    /// # Errors
    /// [`CryptoError`] when the provider refuses a key.
    pub fn new(
        issuer: &str,
        jwks: &Jwks,
        provider: &CryptoProvider,
    ) -> Result<Verifier, CryptoError> {
        let mut keys = HashMap::new();
        let mut sole_key = None;
        for jwk in jwks.keys() {
            let verifier = match provider.verifier(jwk.key()) {
                Err(CryptoError::UnsupportedAlgorithm(_)) => continue,
                verifier => verifier?,
            };
            if jwks.keys().len() + jwks.skipped() == 1 {
                sole_key = Some(Arc::clone(&verifier));
            }
            if let Some(kid) = jwk.kid() {
                keys.insert(kid.to_owned(), verifier);
            }
        }
        Ok(Verifier {
            issuer: issuer.to_owned(),
            organization: None,
            keys,
            sole_key,
            clock: Arc::new(SystemClock),
            skew_seconds: SKEW_SECONDS,
            life_seconds_max: TOKEN_LIFE_SECONDS_MAX,
        })
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Verifier {
        self.clock = clock;
        self
    }

    /// Accepts tokens of this organization's agents alone, by the claim `organization_id`.
    ///
    /// Issuer, audience and scope do not tell one tenant of an instance from another: any of them may
    /// register an agent with your audience. A resource that belongs to one organization says so here;
    /// one that serves several compares the claim with the owner of what is asked for.
    #[must_use]
    pub fn organization(mut self, organization: impl Into<String>) -> Verifier {
        self.organization = Some(organization.into());
        self
    }

    /// Grants the issuer's clock this skew, held between 0 and [`SKEW_SECONDS`].
    #[must_use]
    pub fn skew_seconds(mut self, seconds: i64) -> Verifier {
        self.skew_seconds = seconds.clamp(0, SKEW_SECONDS);
        self
    }

    /// Refuses tokens made to live longer than this, held between 1 and [`TOKEN_LIFE_SECONDS_MAX`].
    #[must_use]
    pub fn life_seconds_max(mut self, seconds: i64) -> Verifier {
        self.life_seconds_max = seconds.clamp(1, TOKEN_LIFE_SECONDS_MAX);
        self
    }

    /// Verifies an access token (RFC 9068 section 4) meant for `audience`, which was presented without
    /// the proof of a key: one that is bound to a key is refused (RFC 9449 section 7.2).
    ///
    /// # Errors
    /// [`VerifyError`] when anything at all is not as it should be.
    pub fn verify_access_token(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<AccessTokenClaims, VerifyError> {
        let claims = self.verify_for_audience(token, audience)?;
        if claims.cnf.is_some() {
            return Err(VerifyError::ProofMissing);
        }
        Ok(claims)
    }

    /// Verifies an access token meant for `audience`, which was presented with the proof that
    /// `proven` came of: of a request that brought this very token (RFC 9449 section 7.1). The resource
    /// remembers [`ProvenKey::single_use`], so that no proof is used twice.
    ///
    /// # Errors
    /// [`VerifyError`] when anything at all is not as it should be, or the token is not bound to the
    /// key that was proven.
    pub fn verify_bound_access_token(
        &self,
        token: &str,
        audience: &str,
        proven: &ProvenKey,
    ) -> Result<AccessTokenClaims, VerifyError> {
        let claims = self.verify_for_audience(token, audience)?;
        if bound_key(claims.cnf.as_ref())? != Some(proven.jkt.as_str()) {
            return Err(VerifyError::ProofMismatch);
        }
        Ok(claims)
    }

    fn verify_for_audience(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<AccessTokenClaims, VerifyError> {
        let claims = self.signed_access_token(token)?;
        if !claims.aud.iter().any(|one| one == audience) {
            return Err(VerifyError::Audience);
        }
        if self.organization.as_ref().is_some_and(|own| *own != claims.organization_id) {
            return Err(VerifyError::Organization);
        }
        self.check_times(claims.exp, claims.iat, claims.nbf)?;
        Ok(claims)
    }

    /// Verifies an access token of ours for whomever it is meant, to tell somebody about it. Whoever
    /// accepts a token asks [`verify_access_token`](Self::verify_access_token).
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn verify_for_anybody(&self, token: &str) -> Result<AccessTokenClaims, VerifyError> {
        let claims = self.signed_access_token(token)?;
        self.check_times(claims.exp, claims.iat, claims.nbf)?;
        Ok(claims)
    }

    /// An access token that this issuer signed, whose audience and times are still to be checked.
    fn signed_access_token(&self, token: &str) -> Result<AccessTokenClaims, VerifyError> {
        let token = parse_compact(token)?;
        if !token.header().is_type(ACCESS_TOKEN_TYPE) {
            return Err(VerifyError::Type);
        }
        self.check_signature(&token)?;
        let claims = AccessTokenClaims::from_payload(token.payload())?;
        self.check_issuer(&claims.iss)?;
        Ok(claims)
    }

    /// Verifies an ID token (OpenID Connect Core section 3.1.3.7) issued to `client_id` alone.
    ///
    /// # Errors
    /// [`VerifyError`] when anything at all is not as it should be.
    pub fn verify_id_token(
        &self,
        token: &str,
        client_id: &str,
    ) -> Result<IdTokenClaims, VerifyError> {
        let token = parse_compact(token)?;
        if !token.header().is_type(ID_TOKEN_TYPE) {
            return Err(VerifyError::Type);
        }
        self.check_signature(&token)?;
        let claims = IdTokenClaims::from_payload(token.payload())?;
        self.check_issuer(&claims.iss)?;
        if claims.aud != [client_id] {
            return Err(VerifyError::Audience);
        }
        self.check_times(claims.exp, claims.iat, None)?;
        Ok(claims)
    }

    fn check_signature(&self, token: &Compact<'_>) -> Result<(), VerifyError> {
        let key = match token.header().kid() {
            Some(kid) => self.keys.get(kid),
            None => self.sole_key.as_ref(),
        };
        token.verify(key.ok_or(VerifyError::UnknownKey)?.as_ref())
    }

    /// Issuers are compared byte by byte (RFC 8414 section 3.3); none is normalized.
    fn check_issuer(&self, issuer: &str) -> Result<(), VerifyError> {
        if issuer == self.issuer { Ok(()) } else { Err(VerifyError::Issuer) }
    }

    fn check_times(&self, exp: i64, iat: i64, nbf: Option<i64>) -> Result<(), VerifyError> {
        let now = self.clock.now().as_seconds();
        if now >= exp + self.skew_seconds {
            return Err(VerifyError::Expired);
        }
        if iat.max(nbf.unwrap_or(iat)) > now + self.skew_seconds {
            return Err(VerifyError::NotYetValid);
        }
        if exp <= iat {
            return Err(VerifyError::Claim("exp"));
        }
        if exp - iat > self.life_seconds_max {
            return Err(VerifyError::LifeTooLong);
        }
        Ok(())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
