//! Somebody with a key: makes assertions and proofs, good ones and bad ones.

use std::sync::Arc;

use agentidp_core::crypto::{Alg, CryptoProvider, Signer, base64url, sha256};
use agentidp_core::{AgentId, ClientAuth, DpopProof, SystemRng};
use agentidp_testkit::{ISSUER, TestIdp};
use serde_json::{Value, json};

/// The URL that proofs for tokens are made for.
pub(super) const TOKEN_URL: &str = "https://idp.example.com/oauth2/token";

/// The second that it is.
pub(super) fn seconds(test: &TestIdp) -> i64 {
    use agentidp_core::Clock as _;
    test.clock.now().as_seconds()
}

pub(super) struct KeyHolder {
    signer: Arc<dyn Signer>,
}

impl KeyHolder {
    pub(super) fn new(alg: Alg) -> KeyHolder {
        let provider = CryptoProvider::default_provider();
        let private = provider.generate(alg, &SystemRng).unwrap();
        KeyHolder { signer: provider.signer(&private).unwrap() }
    }

    /// The public half, as a JWK.
    pub(super) fn jwk(&self) -> Value {
        self.signer.public_key().to_jwk()
    }

    pub(super) fn kid(&self) -> String {
        self.signer.public_key().thumbprint()
    }

    /// A token with that header and those claims; `alg` is added where it is not said.
    pub(super) fn sign(&self, mut header: Value, claims: &Value) -> String {
        if header.get("alg").is_none() {
            header["alg"] = json!(self.signer.alg().as_str());
        }
        let (header, claims) = (header.to_string(), claims.to_string());
        let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        let signature = base64url(&self.signer.sign(input.as_bytes()).unwrap());
        format!("{input}.{signature}")
    }

    /// The claims of a good assertion of `client`.
    pub(super) fn claims(test: &TestIdp, client: &AgentId, jti: &str) -> Value {
        let now = seconds(test);
        json!({ "iss": client, "sub": client, "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 })
    }

    /// A good assertion of `client`.
    pub(super) fn assertion(&self, test: &TestIdp, client: &AgentId, jti: &str) -> ClientAuth {
        let claims = Self::claims(test, client, jti);
        ClientAuth::assertion(self.sign(json!({ "kid": self.kid() }), &claims))
    }

    /// The claims of a good proof for a token.
    pub(super) fn proof_claims(test: &TestIdp, jti: &str) -> Value {
        json!({ "jti": jti, "htm": "POST", "htu": TOKEN_URL, "iat": seconds(test) })
    }

    /// A proof with those claims, for a token request.
    pub(super) fn proof_of(&self, claims: &Value) -> DpopProof {
        let header = json!({ "typ": "dpop+jwt", "jwk": self.jwk() });
        DpopProof::new(self.sign(header, claims), "POST", TOKEN_URL)
    }

    /// A good proof for a token request.
    pub(super) fn proof(&self, test: &TestIdp, jti: &str) -> DpopProof {
        self.proof_of(&Self::proof_claims(test, jti))
    }

    /// A good proof for presenting `token` to `GET url`.
    pub(super) fn proof_with(
        &self,
        test: &TestIdp,
        token: &str,
        url: &str,
        jti: &str,
    ) -> DpopProof {
        let ath = base64url(&sha256(&[token.as_bytes()]));
        let now = seconds(test);
        let claims = json!({ "jti": jti, "htm": "GET", "htu": url, "iat": now, "ath": ath });
        let header = json!({ "typ": "dpop+jwt", "jwk": self.jwk() });
        DpopProof::new(self.sign(header, &claims), "GET", url)
    }
}
