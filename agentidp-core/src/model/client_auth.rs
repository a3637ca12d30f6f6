//! By what a client proves itself at the token, introspection and revocation endpoints.

use crate::base::SecretString;

/// By what a client proves itself (RFC 6749 section 2.3, RFC 7523 section 2.2).
///
/// ```
/// use agentidp_core::ClientAuth;
/// let by_secret = ClientAuth::secret("client", "aidp_secret");
/// let by_key = ClientAuth::assertion("header.payload.signature");
/// ```
#[derive(Debug)]
pub struct ClientAuth(pub(crate) ClientProof);

#[derive(Debug)]
pub(crate) enum ClientProof {
    Secret { client_id: String, client_secret: SecretString },
    Assertion { client_id: Option<String>, assertion: SecretString },
}

impl ClientAuth {
    /// The client `client_id`, by its secret (`client_secret_basic`, `client_secret_post`).
    pub fn secret(client_id: impl ToString, client_secret: impl Into<SecretString>) -> ClientAuth {
        let client_id = client_id.to_string();
        ClientAuth(ClientProof::Secret { client_id, client_secret: client_secret.into() })
    }

    /// The client that signed `assertion` by a key of its own (`private_key_jwt`, RFC 7523 section 3). It
    /// names itself inside, as `iss` and `sub`, and the issuer as `aud`; it expires within 5 minutes and is
    /// used once.
    ///
    /// ```
    /// # use agentidp_core::crypto::{Alg, CryptoProvider};
    /// # use agentidp_core::{Clock as _, Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// # use agentidp_core::{SystemClock, SystemRng};
    /// use agentidp_core::jose::TokenSigner;
    /// use agentidp_core::{ClientAuth, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let provider = CryptoProvider::default_provider();
    /// # let key = provider.signer(&provider.generate(Alg::EdDsa, &SystemRng)?)?;
    /// # let now = SystemClock.now().as_seconds();
    /// // The agent holds `key`, of which the instance knows the public half.
    /// let jwk = key.public_key().to_jwk().to_string();
    /// org.add_public_key(&agent.id, NewCredential::public_key(&jwk))?;
    /// let claims = serde_json::json!({
    ///     "iss": agent.client_id, "sub": agent.client_id, "aud": "https://idp.example.com",
    ///     "jti": "1", "exp": now + 60,
    /// });
    /// let assertion = TokenSigner::new(key, "JWT").sign(claims.to_string().as_bytes())?;
    /// let token = idp.token(&TokenRequest::new(ClientAuth::assertion(assertion)))?;
    /// assert_eq!(token.scope.as_deref(), Some("tools:read"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn assertion(assertion: impl Into<SecretString>) -> ClientAuth {
        ClientAuth(ClientProof::Assertion { client_id: None, assertion: assertion.into() })
    }

    /// Refuses an assertion of another client than `client_id`, which a request may name beside it
    /// (RFC 7521 section 4.2). A secret is that of the client it was given with.
    #[must_use]
    pub fn of_client(mut self, named: impl ToString) -> ClientAuth {
        if let ClientProof::Assertion { client_id, .. } = &mut self.0 {
            *client_id = Some(named.to_string());
        }
        self
    }
}
