//! The handle to an instance.

use std::sync::Arc;

use crate::base::{InstanceId, OrgId};
use crate::did::root_did;
use crate::jose::Jwks;
use crate::model::{
    Caller, Invalid, Issuer, NewOrg, Org, PresentedToken, RateLimited, TokenRequest, TokenResponse,
};
use crate::oidc::Verifier;
use crate::ops::init::Choice;
use crate::ops::{self, AccessError, AuditError, Context, OpenError, OrgError, TokenError};
#[cfg(feature = "postgres")]
use crate::store::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::SqliteStore;
use crate::store::{Store, StoreError};

use super::{Config, Database, Error, OrgHandle};

/// An identity provider in your process. Cheap to clone, and usable from any thread.
///
/// Its methods block: issuing waits for the disk. Call them from a thread that may wait, or wrap the handle
/// in an [`AsyncIdp`](crate::AsyncIdp).
///
/// Besides what each verb says, its error may be `Fault`, when the database or a key fails, and `Denied`,
/// where the handle acts [for somebody](Idp::on_behalf_of) who may not do that.
///
/// ```
/// use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
///
/// let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// let org = idp.create_org(NewOrg::new("acme"))?;
/// let agent = NewAgent::new("invoice-bot").scope("tools:read").audience("https://api.example.com");
/// let agent = idp.org(&org.id).register_agent(agent)?;
/// let credential = idp.org(&org.id).issue_credential(&agent.id, NewCredential::default())?;
/// let token = idp.token(&TokenRequest::client_credentials(&agent.client_id, credential.secret()))?;
/// let claims = idp.verifier().verify_access_token(&token.access_token, "https://api.example.com")?;
/// assert_eq!(claims.sub, agent.id.as_str());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Idp {
    pub(super) context: Arc<Context>,
    pub(super) caller: Arc<Caller>,
    instance: InstanceId,
}

impl std::fmt::Debug for Idp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Idp({})", self.context.issuer)
    }
}

impl Idp {
    /// Opens the instance that `config` describes, and makes it first where there is none.
    ///
    /// ```
    /// use agentidp_core::{Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = || Config::sqlite(&database).kek(KekSource::file(&kek));
    /// let made = Idp::open(config().issuer("https://idp.example.com"))?.status();
    /// // From now on the database knows its issuer.
    /// assert_eq!(Idp::open(config())?.status().instance_id, made.instance_id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`] when the database, the key or the configuration cannot be used.
    pub fn open(config: Config) -> Result<Idp, Error> {
        let choice = choice(config)?;
        if ops::init::read(&*choice.store)?.is_none() {
            match make(&choice) {
                // Somebody else made it in the meantime: it is there, which is what was asked for.
                Ok(()) | Err(OpenError::AlreadyInitialized) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Self::opened(choice)
    }

    /// Makes the instance that `config` describes.
    ///
    /// ```
    /// use agentidp_core::{Config, ErrorCode, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = || {
    ///     Config::sqlite(&database).kek(KekSource::file(&kek)).issuer("https://idp.example.com")
    /// };
    /// Idp::create(config())?;
    /// let refused = Idp::create(config()).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::AlreadyInitialized);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError::AlreadyInitialized`] where there is one; otherwise as [`Idp::open`].
    pub fn create(config: Config) -> Result<Idp, Error> {
        let choice = choice(config)?;
        if ops::init::read(&*choice.store)?.is_some() {
            return Err(OpenError::AlreadyInitialized.into());
        }
        make(&choice)?;
        Self::opened(choice)
    }

    /// Opens the instance that `config` describes, which must be there.
    ///
    /// ```
    /// use agentidp_core::{Config, ErrorCode, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let (database, kek) = (home.path().join("agentidp.db"), home.path().join("kek.key"));
    /// let config = Config::sqlite(&database).kek(KekSource::file(&kek));
    /// let refused = Idp::open_existing(config).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::NotInitialized);
    /// assert!(!database.exists(), "nothing was made");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError::NotInitialized`] where there is none; otherwise as [`Idp::open`].
    pub fn open_existing(config: Config) -> Result<Idp, Error> {
        #[cfg(feature = "sqlite")]
        if let Database::Sqlite(path) = &config.database
            && !path.exists()
        {
            return Err(OpenError::NotInitialized.into());
        }
        Self::opened(choice(config)?)
    }

    fn opened(choice: Choice) -> Result<Idp, Error> {
        let row = ops::init::read(&*choice.store)?.ok_or(OpenError::NotInitialized)?;
        let context = ops::init::open(choice)?;
        let caller = Arc::new(Caller::Operator);
        Ok(Idp { context: Arc::new(context), caller, instance: row.instance_id })
    }

    /// That the instance can do its work now: the database answers and has the schema that was opened,
    /// and there is a key to sign tokens with. Reads three rows and writes none.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// // What a route such as `/readyz` asks.
    /// assert!(idp.probe().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`] with the code of what is wrong.
    pub fn probe(&self) -> Result<(), Error> {
        self.context.probe().map_err(|fault| OpenError::from(fault).into())
    }

    /// What this instance is.
    pub fn status(&self) -> InstanceStatus {
        InstanceStatus {
            instance_id: self.instance.clone(),
            issuer: self.context.issuer.clone(),
            did: root_did(&self.context.issuer),
        }
    }

    /// Makes an organization.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::{ErrorCode, NewOrg, PlanTier};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let acme = idp.create_org(NewOrg::new("acme").plan(PlanTier::Pro))?;
    /// assert_eq!((acme.slug.as_str(), acme.max_agents), ("acme", 100));
    /// let taken = idp.create_org(NewOrg::new("acme")).unwrap_err();
    /// assert_eq!(taken.code(), ErrorCode::SlugTaken);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError`] when a value breaks a rule, the slug is reserved or taken, or the caller may not manage
    /// organizations.
    pub fn create_org(&self, org: NewOrg) -> Result<Org, OrgError> {
        ops::orgs::create(&self.context, &self.caller, org)
    }

    /// The organization that goes by that slug or id.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// use agentidp_core::ErrorCode;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let acme = idp.create_org(NewOrg::new("acme"))?;
    /// assert_eq!(idp.find_org("acme")?.id, acme.id);
    /// assert_eq!(idp.find_org(acme.id.as_str())?.slug, acme.slug);
    /// assert_eq!(idp.find_org("globex").unwrap_err().code(), ErrorCode::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OrgError::NotFound`] when there is none.
    pub fn find_org(&self, slug_or_id: &str) -> Result<Org, OrgError> {
        ops::orgs::find(&self.context, &self.caller, slug_or_id)
    }

    /// The handle to one organization: all that it does stays inside it. Nothing is read yet: whether
    /// there is such an organization, the first verb tells.
    pub fn org(&self, id: &OrgId) -> OrgHandle {
        OrgHandle {
            context: Arc::clone(&self.context),
            organization: id.clone(),
            caller: Arc::clone(&self.caller),
        }
    }

    /// This instance as the bearer of `access_token` may use it: by its scopes, in its organization,
    /// as long as it is active. Whoever holds the plain handle may do everything.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let org = idp.create_org(NewOrg::new("acme"))?;
    /// let reader = idp.org(&org.id).register_agent(NewAgent::new("reader").scope("agents:read"))?;
    /// let credential = idp.org(&org.id).issue_credential(&reader.id, NewCredential::default())?;
    /// let token = idp.token(&TokenRequest::client_credentials(&reader.id, credential.secret()))?;
    ///
    /// let theirs = idp.on_behalf_of(&token.access_token)?.org(&org.id);
    /// assert_eq!(theirs.agent(&reader.id)?.did, reader.did);
    /// assert!(theirs.register_agent(NewAgent::new("another")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AccessError`] when the token is not one of ours for this issuer, or its bearer is not
    /// active any more.
    pub fn on_behalf_of(
        &self,
        access_token: impl Into<PresentedToken>,
    ) -> Result<Idp, AccessError> {
        let caller = ops::access::admit(&self.context, &access_token.into())?;
        Ok(Idp { caller: Arc::new(Caller::Agent(caller)), ..self.clone() })
    }

    /// Answers a token request (RFC 6749 section 4.4, RFC 8693 section 2). The token is in the answer only
    /// once it is durably recorded.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// use agentidp_core::TokenRequest;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// let request = TokenRequest::client_credentials(&agent.client_id, credential.secret());
    /// let token = idp.token(&request)?;
    /// assert_eq!((token.token_type, token.expires_in), ("Bearer", 3600));
    ///
    /// let wrong = TokenRequest::client_credentials(&agent.client_id, "guessed");
    /// let refused = idp.token(&wrong).unwrap_err();
    /// assert_eq!(refused.code().oauth_error(), Some("invalid_client"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError::Refused`] when the client, the scope, the resource, the proof of a key or what is handed
    /// in for the token is not right; [`TokenError::QuotaExceeded`] when the organization has issued its
    /// tokens of the month; [`TokenError::RateLimited`] by what [`limit_rate`](Self::limit_rate) was given.
    pub fn token(&self, request: &TokenRequest) -> Result<TokenResponse, TokenError> {
        ops::tokens::issue(&self.context, request, false)
    }

    /// A nonce for proofs of keys, to be sent in the field `DPoP-Nonce` (RFC 9449 section 8): good for
    /// [`limits::DPOP_NONCE_SECONDS`](crate::base::limits::DPOP_NONCE_SECONDS) at least.
    ///
    /// ```
    /// # use agentidp_core::crypto::{Alg, CryptoError, CryptoProvider, base64url};
    /// # use agentidp_core::{Clock as _, Config, Idp, KekSource, NewAgent, NewCredential, NewOrg};
    /// # use agentidp_core::{SystemClock, SystemRng, TokenRequest};
    /// # use serde_json::json;
    /// use agentidp_core::DpopProof;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// # let provider = CryptoProvider::default_provider();
    /// # let key = provider.signer(&provider.generate(Alg::EdDsa, &SystemRng)?)?;
    /// # let prove = |url: &str, nonce: &str| {
    /// #     let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": key.public_key().to_jwk() });
    /// #     let iat = SystemClock.now().as_seconds();
    /// #     let claims = json!({ "jti": "1", "htm": "POST", "htu": url, "iat": iat, "nonce": nonce });
    /// #     let (header, claims) = (header.to_string(), claims.to_string());
    /// #     let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    /// #     let signature = key.sign(input.as_bytes())?;
    /// #     Ok::<_, CryptoError>(format!("{input}.{}", base64url(&signature)))
    /// # };
    /// let nonce = idp.dpop_nonce()?;
    /// // The client makes its proof with it, and is bound to the key of the proof.
    /// let url = "https://idp.example.com/oauth2/token";
    /// let proof = DpopProof::new(prove(url, &nonce)?, "POST", url).require_nonce(true);
    /// assert_eq!(idp.token(&request.dpop(proof))?.token_type, "DPoP");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError`] when the instance's keys are incomplete.
    pub fn dpop_nonce(&self) -> Result<String, TokenError> {
        Ok(ops::dpop::nonce(&self.context, self.context.now())?)
    }

    /// Lets the host decide how often organizations may ask: `limit` is told the organization and its
    /// [`rate_limit_per_minute`](Org::rate_limit_per_minute) once a client or a bearer has proven to be
    /// of it, and before anything is signed or written for it. The library itself counts nothing: it
    /// does not know how many processes there are.
    ///
    /// It holds for this handle and for all others to what was opened; the first one given stays.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// use agentidp_core::{ErrorCode, RateLimited, RateScope};
    /// use std::time::Duration;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.create_org(NewOrg::new("acme"))?;
    /// # let agent = idp.org(&org.id).register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = idp.org(&org.id).issue_credential(&agent.id, NewCredential::default())?;
    /// idp.limit_rate(|_organization, per_minute_max| {
    ///     let retry_after = Duration::from_secs(1);
    ///     Err(RateLimited { scope: RateScope::Organization, per_minute_max, retry_after })
    /// });
    /// let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// assert_eq!(idp.token(&request).unwrap_err().code(), ErrorCode::RateLimited);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn limit_rate(
        &self,
        limit: impl Fn(&OrgId, i64) -> Result<(), RateLimited> + Send + Sync + 'static,
    ) {
        self.context.limit_rate(Box::new(limit));
    }

    /// A verifier of this instance's tokens, by the keys of this moment. Ask for it anew for each
    /// token: that is cheap, and one that you keep does not notice that a key was revoked.
    ///
    /// Once in [`limits::KEYS_STALE_MAX`](crate::base::limits::KEYS_STALE_MAX) this reads a row, to
    /// notice what other processes did to the keys. When the database cannot be asked, the keys are
    /// those that it last told.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
    /// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
    /// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    /// let token = idp.token(&request)?.access_token;
    /// // An agent without an audience has tokens for the issuer.
    /// let claims = idp.verifier().verify_access_token(&token, "https://idp.example.com")?;
    /// assert_eq!(claims.scope.as_deref(), Some("tools:read"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verifier(&self) -> Arc<Verifier> {
        self.context.known_signing().verifier()
    }

    /// The public keys of this instance's tokens (RFC 7517 section 5), to verify them elsewhere: of this moment,
    /// as with [`Idp::verifier`]. Whoever keeps a copy keeps it for
    /// [`limits::JWKS_AGE_MAX`](crate::base::limits::JWKS_AGE_MAX) at most.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::jose::Jwks;
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// // What a route such as `/.well-known/jwks.json` answers. Where there are no keys, answer 503: whoever
    /// // keeps an empty set refuses every token for as long.
    /// let body = idp.jwks().to_json();
    /// assert_eq!(Jwks::parse(body.as_bytes())?.keys(), idp.jwks().keys());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jwks(&self) -> Jwks {
        self.context.known_signing().jwks().clone()
    }

    /// The key by which the instance's own log is verified (C2SP signed note).
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// assert!(idp.audit_key()?.starts_with("idp.example.com/audit/"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AuditError`] when the log's key is missing.
    pub fn audit_key(&self) -> Result<String, AuditError> {
        Ok(ops::audit::verifier_key(&self.context, &OrgId::system())?)
    }
}

/// What an instance is.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Its identifier.
    pub instance_id: InstanceId,
    /// Its issuer.
    pub issuer: Issuer,
    /// Its DID.
    pub did: String,
}

/// Makes the instance, and the file of its key-encryption key where the configuration names one
/// that is not there.
fn make(choice: &Choice) -> Result<(), OpenError> {
    choice.kek.create_if_missing(&*choice.rng)?;
    ops::init::create(choice)
}

/// Opens the store and reads the configuration's values.
fn choice(config: Config) -> Result<Choice, OpenError> {
    let issuer = config.issuer.as_deref().map(Issuer::parse).transpose()?;
    let kek = config.kek.ok_or(OpenError::ConfigMissing("the key-encryption key"))?;
    let key_policy = config.key_policy.build()?;
    if !config.provider.algs().contains(&config.token_alg) {
        let reason = format!("this build does not sign with {}", config.token_alg);
        return Err(Invalid::new("tokenAlg", reason).into());
    }
    Ok(Choice {
        store: open_store(&config.database, config.migrate)?,
        provider: config.provider,
        clock: config.clock,
        rng: config.rng,
        kek,
        issuer,
        instance: config.instance,
        token_alg: config.token_alg,
        key_policy,
        rules: config.rules,
    })
}

pub(super) fn open_store(database: &Database, migrate: bool) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite(path) if migrate => Arc::new(SqliteStore::open(path)?),
        #[cfg(feature = "sqlite")]
        Database::Sqlite(path) => Arc::new(SqliteStore::open_current(path)?),
        #[cfg(feature = "sqlite")]
        Database::Memory => Arc::new(SqliteStore::open_in_memory()?),
        #[cfg(feature = "postgres")]
        Database::Postgres(url) if migrate => Arc::new(PostgresStore::open(url)?),
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => Arc::new(PostgresStore::open_current(url)?),
        Database::Opened(store) => Arc::clone(store),
    })
}
