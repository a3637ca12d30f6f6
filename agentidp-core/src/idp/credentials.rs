//! What one may do with credentials, once they are issued.

use std::time::Duration;

use crate::base::{AgentId, CredentialId, Page, PageRequest};
use crate::model::{Credential, IssuedCredential, NewKeyCredential, RevokeTokens};
use crate::ops::{self, CredentialError};

use super::OrgHandle;

impl OrgHandle {
    /// Lets an agent prove itself by a key whose private half it holds, instead of by a secret: by an
    /// assertion that it signs (RFC 7523 section 2.2, `private_key_jwt`). See
    /// [`ClientAuth::assertion`](crate::ClientAuth::assertion).
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewOrg};
    /// use agentidp_core::NewCredential;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// let key = NewCredential::public_key(
    ///     "-----BEGIN PUBLIC KEY-----\n\
    ///      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
    ///      -----END PUBLIC KEY-----\n",
    /// );
    /// let credential = org.add_public_key(&agent.id, key)?;
    /// assert_eq!(credential.kid.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError::Key`] when it is no public signature key that we accept;
    /// [`CredentialError`] when there is no such agent, it is not active, has the key already, or has too
    /// many, or when the credential would live for less than a second.
    pub fn add_public_key(
        &self,
        agent: &AgentId,
        key: NewKeyCredential,
    ) -> Result<Credential, CredentialError> {
        ops::credentials::add_public_key(&self.acting(), agent, key)
    }

    /// The credential of that id, without its secret.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// use agentidp_core::CredentialStatus;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// let issued = org.issue_credential(&agent.id, NewCredential::default())?;
    /// let found = org.credential(&issued.credential().id)?;
    /// assert_eq!((found.status, found.expires_at), (CredentialStatus::Active, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError::NotFound`] when this organization has none by that id.
    pub fn credential(&self, id: &CredentialId) -> Result<Credential, CredentialError> {
        ops::credentials::get(&self.acting(), id)
    }

    /// Checks that a credential is that agent's, for a caller that may change credentials: where both
    /// are named, they must belong together.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// let other = org.register_agent(NewAgent::new("other"))?;
    /// let id = &credential.credential().id;
    /// org.check_credential(&agent.id, id)?;
    /// assert!(org.check_credential(&other.id, id).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError::NotFound`] when this organization's agent has none by that id.
    pub fn check_credential(
        &self,
        agent: &AgentId,
        id: &CredentialId,
    ) -> Result<(), CredentialError> {
        ops::credential_changes::check(&self.acting(), agent, id)
    }

    /// A page of an agent's credentials, the oldest first, without their secrets.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::PageRequest;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let page = org.list_credentials(&agent.id, &PageRequest::first())?;
    /// assert_eq!(page.items[0], *credential.credential());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError`] when there is no such agent or the cursor is not one.
    pub fn list_credentials(
        &self,
        agent: &AgentId,
        page: &PageRequest,
    ) -> Result<Page<Credential>, CredentialError> {
        ops::credentials::list(&self.acting(), agent, page)
    }

    /// Issues a secret in the place of another, which expires after `overlap` (at most 90 days) if it
    /// does not before. The new one lives as long as the old one was made to. Until the old one has
    /// expired, both count towards the limit on live secrets.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot"))?;
    /// let old = org.issue_credential(&agent.id, NewCredential::default())?;
    /// let day = Duration::from_secs(24 * 3600);
    /// let new = org.rotate_credential(&old.credential().id, day)?;
    /// assert_ne!(new.secret(), old.secret());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError`] when there is no such credential, it is over or no secret, its agent is
    /// not active, or has too many live secrets, or `overlap` is longer than 90 days.
    pub fn rotate_credential(
        &self,
        id: &CredentialId,
        overlap: Duration,
    ) -> Result<IssuedCredential, CredentialError> {
        ops::credential_changes::rotate(&self.acting(), id, overlap)
    }

    /// Revokes a credential: it proves nothing any more. With [`RevokeTokens::Yes`] all tokens of its
    /// agent end too, and new ones are had by its other credentials.
    ///
    /// Asking twice is answered twice: a credential that is revoked stays so, and nothing is written
    /// (with [`RevokeTokens::Yes`], the tokens that were issued since end).
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::RevokeTokens;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request)?.access_token;
    /// org.revoke_credential(&credential.credential().id, RevokeTokens::Yes)?;
    /// assert!(idp.token(&request).is_err());
    /// assert!(idp.on_behalf_of(&token).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError::NotFound`] when this organization has none by that id.
    pub fn revoke_credential(
        &self,
        id: &CredentialId,
        tokens: RevokeTokens,
    ) -> Result<Credential, CredentialError> {
        ops::credential_changes::revoke(&self.acting(), id, tokens)
    }
}
