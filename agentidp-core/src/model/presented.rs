//! Access tokens as they are presented, with or without the proof of a key.

use crate::base::SecretString;

/// A proof of having the key that a token is bound to, for one request (RFC 9449 section 4).
///
/// ```
/// use agentidp_core::DpopProof;
/// // The URL is that of the endpoint as clients know it, and never made of what a request says.
/// let proof = DpopProof::new("header.payload.signature", "POST", "https://idp.example.com/oauth2/token");
/// ```
#[derive(Debug)]
pub struct DpopProof {
    pub(crate) proof: SecretString,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) nonce_required: bool,
}

impl DpopProof {
    /// The proof that came with a request of `method` to `url`.
    pub fn new(
        proof: impl Into<SecretString>,
        method: impl Into<String>,
        url: impl Into<String>,
    ) -> DpopProof {
        let (proof, method, url) = (proof.into(), method.into(), url.into());
        DpopProof { proof, method, url, nonce_required: false }
    }

    /// Refuses a proof without a nonce of ours (RFC 9449 section 8). One that is there must be ours
    /// and recent in any case.
    #[must_use]
    pub fn require_nonce(mut self, required: bool) -> DpopProof {
        self.nonce_required = required;
        self
    }
}

/// An access token as somebody presented it.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
/// use agentidp_core::PresentedToken;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
/// let token = idp.token(&request)?.access_token;
/// let theirs = idp.on_behalf_of(PresentedToken::bearer(token))?;
/// let bearer = theirs.caller().agent().map(|bearer| &bearer.agent_id);
/// assert_eq!(bearer, Some(&agent.id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PresentedToken {
    pub(crate) token: SecretString,
    pub(crate) proof: Option<DpopProof>,
}

impl PresentedToken {
    /// A token that was presented as `Bearer` (RFC 6750 section 2). One that is bound to a key is refused.
    pub fn bearer(token: impl Into<SecretString>) -> PresentedToken {
        PresentedToken { token: token.into(), proof: None }
    }

    /// A token that was presented as `DPoP`, with its proof (RFC 9449 section 7.1). One that is not
    /// bound to the proof's key is refused.
    pub fn dpop(token: impl Into<SecretString>, proof: DpopProof) -> PresentedToken {
        PresentedToken { token: token.into(), proof: Some(proof) }
    }
}

impl From<&str> for PresentedToken {
    fn from(token: &str) -> PresentedToken {
        PresentedToken::bearer(token)
    }
}

impl From<&String> for PresentedToken {
    fn from(token: &String) -> PresentedToken {
        PresentedToken::bearer(token.as_str())
    }
}
