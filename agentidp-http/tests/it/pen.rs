//! A key that a client holds, and what it signs with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agentidp_core::crypto::{CryptoProvider, Signer, sha256};
use agentidp_core::jose::Jwk;
use agentidp_core::{Alg, Clock as _, NewCredential, SystemRng};
use agentidp_testkit::{ISSUER, Tenant};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::forms::Post;
use crate::served::Served;

pub(crate) struct Pen {
    signer: Arc<dyn Signer>,
}

impl Pen {
    pub(crate) fn new(alg: Alg) -> Pen {
        let provider = CryptoProvider::default_provider();
        let key = provider.generate(alg, &SystemRng).expect("a key");
        Pen { signer: provider.signer(&key).expect("a signer") }
    }

    pub(crate) fn alg(&self) -> &'static str {
        self.signer.alg().as_str()
    }

    pub(crate) fn kid(&self) -> String {
        self.signer.public_key().thumbprint()
    }

    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = Jwk::new(self.signer.public_key().clone()).to_value();
        let members = jwk.as_object_mut().expect("a key");
        for told in ["kid", "use", "alg"] {
            members.remove(told);
        }
        jwk
    }

    /// Lets the tenant's agent prove itself by this key.
    pub(crate) fn register(&self, served: &Served, tenant: &Tenant) {
        let key = NewCredential::public_key(&self.jwk().to_string());
        let handle = served.test.idp.org(&tenant.org.id);
        handle.add_public_key(&tenant.agent.id, key).expect("a registered key");
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.signer.sign(input.as_bytes()).expect("a signature");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The header of an assertion.
    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.alg(), "kid": self.kid(), "typ": "JWT" })
    }

    /// The claims of an assertion by the tenant's agent, each time with another name.
    pub(crate) fn claims(&self, served: &Served, tenant: &Tenant) -> Value {
        let now = served.test.clock.now().as_seconds();
        let id = tenant.agent.client_id.as_str();
        json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": jti() })
    }

    pub(crate) fn assertion(&self, served: &Served, tenant: &Tenant) -> String {
        self.sign(&self.header(), &self.claims(served, tenant))
    }

    /// The header of a proof.
    pub(crate) fn proof_header(&self) -> Value {
        json!({ "alg": self.alg(), "typ": "dpop+jwt", "jwk": self.jwk() })
    }

    /// The claims of a proof for a request to that path.
    pub(crate) fn proof_claims(&self, served: &Served, method: &str, path: &str) -> Value {
        let now = served.test.clock.now().as_seconds();
        json!({ "htm": method, "htu": format!("{ISSUER}{path}"), "iat": now, "jti": jti() })
    }

    pub(crate) fn proof(&self, served: &Served, method: &str, path: &str) -> String {
        self.sign(&self.proof_header(), &self.proof_claims(served, method, path))
    }

    /// The claims of a proof for a request with that token.
    pub(crate) fn claims_with(&self, served: &Served, path: &str, token: &str) -> Value {
        let mut claims = self.proof_claims(served, "GET", path);
        claims["ath"] = URL_SAFE_NO_PAD.encode(sha256(&[token.as_bytes()])).into();
        claims
    }
}

/// A name that nothing else has: a client's assertions have distinct ones, whatever key signs them.
fn jti() -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("jti-{}", USED.fetch_add(1, Ordering::Relaxed))
}

impl Post {
    /// Proves the client by that assertion.
    pub(crate) fn assertion(self, assertion: &str) -> Post {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        self.with("client_assertion_type", kind).with("client_assertion", assertion)
    }
}
