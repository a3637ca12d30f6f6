//! Verification without an identity provider: what a resource server links.
//!
//! It needs no database, no network and no async runtime. Build with `default-features = false` and
//! one of the features `aws-lc` and `rustcrypto`.
//!
//! ```
//! # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
//! # let home = tempfile::tempdir()?;
//! # let kek = home.path().join("kek.key");
//! # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
//! # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
//! # let new = NewAgent::new("bot").scope("tools:read").audience("https://api.example.com");
//! # let agent = org.register_agent(new)?;
//! # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
//! # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
//! # let (fetched, token) = (idp.jwks().to_json(), idp.token(&request)?.access_token);
//! use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
//!
//! // The key set, as it was fetched from the issuer.
//! let jwks = Jwks::parse(fetched.as_bytes())?;
//! let verifier = Verifier::new("https://idp.example.com", &jwks, &CryptoProvider::default_provider())?;
//! let claims = verifier.verify_access_token(&token, "https://api.example.com")?;
//! assert!(claims.scopes().any(|scope| scope == "tools:read"));
//! assert_eq!(claims.client_id, agent.client_id.as_str());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::crypto::CryptoProvider;
pub use crate::jose::{JwkError, Jwks, VerifyError};
pub use crate::oidc::{
    AccessTokenClaims, IdTokenClaims, ProvenKey, ProvenRequest, Verifier, verify_dpop_proof,
};
