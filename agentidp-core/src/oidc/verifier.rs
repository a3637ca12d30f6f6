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
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # use agentidp_core::verify::{CryptoProvider, Verifier};
    /// use agentidp_core::verify::VerifyError;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let globex = idp.create_org(NewOrg::new("globex"))?.id;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let (jwks, provider) = (idp.jwks(), CryptoProvider::default_provider());
    /// # let issuer = "https://idp.example.com";
    /// let verifier = Verifier::new(issuer, &jwks, &provider)?.organization(globex.as_str());
    /// let token_of_acme = idp.token(&request)?.access_token;
    /// let refused = verifier.verify_access_token(&token_of_acme, issuer);
    /// assert_eq!(refused, Err(VerifyError::Organization));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::verify::VerifyError;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let new = NewAgent::new("bot").scope("tools:read").audience("https://api.example.com");
    /// # let agent = org.register_agent(new)?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request)?.access_token;
    /// let verifier = idp.verifier();
    /// let claims = verifier.verify_access_token(&token, "https://api.example.com")?;
    /// assert_eq!(claims.sub, agent.id.as_str());
    ///
    /// let elsewhere = verifier.verify_access_token(&token, "https://other.example.com");
    /// assert_eq!(elsewhere, Err(VerifyError::Audience));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    /// # use agentidp_core::crypto::{Alg, CryptoError, CryptoProvider, base64url, sha256};
    /// # use agentidp_core::{Config, DpopProof, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// # use agentidp_core::{SystemRng, TokenRequest};
    /// # use serde_json::json;
    /// use agentidp_core::verify::{ProvenRequest, verify_dpop_proof};
    /// use agentidp_core::{Clock as _, SystemClock};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let new = NewAgent::new("bot").scope("tools:read").audience("https://api.example.com");
    /// # let agent = org.register_agent(new)?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let provider = CryptoProvider::default_provider();
    /// # let key = provider.signer(&provider.generate(Alg::EdDsa, &SystemRng)?)?;
    /// # let prove = |method: &str, url: &str, ath: Option<String>| {
    /// #     let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": key.public_key().to_jwk() });
    /// #     let iat = SystemClock.now().as_seconds();
    /// #     let mut claims = json!({ "jti": "1", "htm": method, "htu": url, "iat": iat });
    /// #     if let Some(ath) = ath {
    /// #         claims["ath"] = json!(ath);
    /// #     }
    /// #     let (header, claims) = (header.to_string(), claims.to_string());
    /// #     let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    /// #     let signature = key.sign(input.as_bytes())?;
    /// #     Ok::<_, CryptoError>(format!("{input}.{}", base64url(&signature)))
    /// # };
    /// # let url = "https://idp.example.com/oauth2/token";
    /// # let request = request.dpop(DpopProof::new(prove("POST", url, None)?, "POST", url));
    /// # let token = idp.token(&request)?.access_token;
    /// # let ath = base64url(&sha256(&[token.as_bytes()]));
    /// # let (verifier, audience) = (idp.verifier(), "https://api.example.com");
    /// let url = "https://api.example.com/invoices";
    /// # let proof = prove("GET", url, Some(ath))?;
    /// // `proof` is the field `DPoP` of the request, and `token` what `Authorization` says after `DPoP`.
    /// let request = ProvenRequest { method: "GET", url, access_token: Some(token.as_str()) };
    /// let proven = verify_dpop_proof(&proof, request, &provider, SystemClock.now())?;
    /// let claims = verifier.verify_bound_access_token(&token, audience, &proven)?;
    /// assert_eq!(claims.sub, agent.id.as_str());
    /// // As a bearer token it is worth nothing.
    /// assert!(verifier.verify_access_token(&token, audience).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{Alg, oidc};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("openid"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request.scope("openid"))?;
    /// let id_token = token.id_token.ok_or("`openid` was granted")?;
    /// let claims = idp.verifier().verify_id_token(&id_token, agent.client_id.as_str())?;
    /// assert_eq!(claims.agent_name, "bot");
    /// assert_eq!(claims.at_hash, Some(oidc::at_hash(Alg::Es256, &token.access_token)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
