//! An issuer with a key, a clock that stands still, and a pen for forging tokens.

use std::sync::Arc;

use agentidp_core::crypto::{Alg, CryptoProvider, Signer};
use agentidp_core::jose::{Jwk, Jwks, VerifyError};
use agentidp_core::verify::{AccessTokenClaims, IdTokenClaims, Verifier};
use agentidp_core::{Clock, SystemRng, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
pub(crate) const CLIENT: &str = "0193a5f0-0000-7000-8000-000000000001";
pub(crate) const NOW: i64 = 1_795_316_400;

#[derive(Debug)]
pub(crate) struct FixedClock(pub(crate) i64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0)
    }
}

pub(crate) fn providers() -> Vec<CryptoProvider> {
    vec![
        #[cfg(feature = "aws-lc")]
        CryptoProvider::aws_lc(),
        #[cfg(feature = "rustcrypto")]
        CryptoProvider::rust_crypto(),
    ]
}

/// An issuer whose tokens a test forges, and the verifier that must not be fooled.
pub(crate) struct Issuer {
    pub(crate) provider: CryptoProvider,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) verifier: Verifier,
}

impl Issuer {
    pub(crate) fn new(provider: CryptoProvider, alg: Alg) -> Issuer {
        let key = provider.generate(alg, &SystemRng).unwrap();
        let signer = provider.signer(&key).unwrap();
        let jwks = Jwks::from_keys([signer.public_key().clone()]).unwrap();
        let verifier = verifier(&provider, &jwks);
        Issuer { provider, signer, verifier }
    }

    /// One issuer for each provider and algorithm.
    pub(crate) fn all() -> Vec<Issuer> {
        let mut all = Vec::new();
        for provider in providers() {
            all.extend(provider.algs().iter().map(|alg| Issuer::new(provider, *alg)));
        }
        all
    }

    /// The cheapest issuer, for what does not depend on the algorithm.
    pub(crate) fn one() -> Issuer {
        Issuer::new(providers()[0], Alg::EdDsa)
    }

    pub(crate) fn alg(&self) -> Alg {
        self.signer.alg()
    }

    pub(crate) fn kid(&self) -> String {
        self.signer.public_key().thumbprint()
    }

    pub(crate) fn jwk(&self) -> Value {
        Jwk::new(self.signer.public_key().clone()).to_value()
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": self.alg().as_str(), "kid": self.kid(), "typ": "at+jwt"})
    }

    pub(crate) fn valid_token(&self) -> String {
        self.sign(&self.header().to_string(), &claims().to_string())
    }

    /// Signs these very texts, however wrong they are.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(payload));
        let signature = self.signer.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature))
    }

    pub(crate) fn sign_header(&self, header: &Value) -> String {
        self.sign(&header.to_string(), &claims().to_string())
    }

    pub(crate) fn sign_claims(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    pub(crate) fn verify(&self, token: &str) -> Result<AccessTokenClaims, VerifyError> {
        self.verifier.verify_access_token(token, AUDIENCE)
    }

    pub(crate) fn verify_id(&self, token: &str) -> Result<IdTokenClaims, VerifyError> {
        self.verifier.verify_id_token(token, CLIENT)
    }
}

pub(crate) fn verifier(provider: &CryptoProvider, jwks: &Jwks) -> Verifier {
    Verifier::new(ISSUER, jwks, provider).unwrap().clock(Arc::new(FixedClock(NOW)))
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": CLIENT, "aud": AUDIENCE, "client_id": CLIENT,
        "exp": NOW + 3600, "iat": NOW, "jti": "0193a5f0-0000-7000-8000-000000000002",
        "scope": "tools:read tools:write", "organization_id": "0193a5f0-0000-7000-8000-000000000003",
        "agent_did": "did:web:idp.example.com:agents:a",
    })
}

/// The claims with one of them replaced.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

pub(crate) fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
