//! The main job, step by step, each result checked.

use agentidp_core::crypto::Alg;
use agentidp_core::oidc::at_hash;
use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
use agentidp_core::{
    Agent, AgentId, ErrorCode, Idp, NewAgent, NewCredential, NewOrg, OrgHandle, OrgId, PageRequest,
    TokenRequest, TokenResponse,
};

use crate::cli::Global;
use crate::failure::Failure;
use crate::home::KekKind;
use crate::output::Fields;
use crate::{files, init};

use super::directory::Directory;
use super::story::Story;

const ISSUER: &str = "http://localhost:8080";
pub(super) const ORG: &str = "acme";
pub(super) const SCOPE: &str = "tools:read";
pub(super) const AUDIENCE: &str = "https://api.example.com";

/// What came of it.
pub(super) struct Outcome {
    pub(super) issuer: String,
    organization: OrgId,
    pub(super) agent: AgentId,
    did: String,
    audit_events: u64,
    audit_key: String,
    home: String,
}

impl Outcome {
    /// The document of `--json`. It is made only once every check has passed.
    pub(super) fn fields(&self) -> Fields {
        Fields::default()
            .with("issuer", &self.issuer)
            .with("organizationId", &self.organization)
            .with("agentId", &self.agent)
            .with("did", &self.did)
            .with("tokenVerified", true)
            .with("idTokenVerified", true)
            .with("auditEvents", self.audit_events)
            .with("auditVerified", true)
            .with("auditKey", &self.audit_key)
            .with("home", &self.home)
    }
}

/// Runs it.
///
/// # Errors
/// [`Failure`] when a step fails or a check does.
pub(super) fn main_job(
    directory: &Directory,
    global: &Global,
    story: &mut Story<'_>,
) -> Result<Outcome, Failure> {
    let idp = make_instance(directory, global, story)?;
    let org = idp.create_org(NewOrg::new(ORG).name("Acme Ltd"))?;
    let fields = Fields::default().with("organizationId", &org.id).with("slug", &org.slug);
    story.step("An organization, the tenant", &fields)?;

    let acme = idp.org(&org.id);
    let agent = register_agent(&acme, story)?;
    let token = issue_token(&idp, &acme, &agent, directory, story)?;
    verify_offline(&idp, &agent, &token, directory, story)?;
    let audit_events = check_trail(&acme, story)?;
    Ok(Outcome {
        issuer: idp.status().issuer.to_string(),
        organization: org.id,
        agent: agent.id,
        did: agent.did,
        audit_events,
        audit_key: acme.audit_key()?,
        home: directory.shown(),
    })
}

fn make_instance(
    directory: &Directory,
    global: &Global,
    story: &mut Story<'_>,
) -> Result<Idp, Failure> {
    let made = init::make(directory.home(), ISSUER, KekKind::File, global)?;
    let status = made.idp.status();
    let fields = Fields::default()
        .with("issuer", &status.issuer)
        .with("did", &status.did)
        .with("databaseUrl", made.database.shown());
    story.step("An instance: database, keys, its own DID", &fields)?;
    Ok(made.idp)
}

fn register_agent(acme: &OrgHandle, story: &mut Story<'_>) -> Result<Agent, Failure> {
    let new = NewAgent::new("invoice-bot").scope(SCOPE).scope("openid").audience(AUDIENCE);
    let agent = acme.register_agent(new)?;
    let fields = Fields::default()
        .with("agentId", &agent.id)
        .with("did", &agent.did)
        .with("scopes", agent.scopes.iter().collect::<Vec<_>>());
    story.step("An agent with a DID and keys of its own", &fields)?;
    check(agent.did.starts_with("did:web:"), "the agent has no did:web identifier")?;
    Ok(agent)
}

fn issue_token(
    idp: &Idp,
    acme: &OrgHandle,
    agent: &Agent,
    directory: &Directory,
    story: &mut Story<'_>,
) -> Result<TokenResponse, Failure> {
    let credential = acme.issue_credential(&agent.id, NewCredential::default())?;
    files::write_private(&directory.secret(), format!("{}\n", credential.secret()).as_bytes())?;
    let fields = Fields::default()
        .with("credentialId", &credential.credential().id)
        .with("secret", format!("in {}", directory.secret().display()));
    story.step("A credential; its secret is shown once", &fields)?;

    // As its owner would: the secret comes from the file.
    let secret = files::read_secret(&directory.secret())?;
    let request = TokenRequest::client_credentials(&agent.client_id, secret)
        .scope(format!("{SCOPE} openid"))
        .resource(AUDIENCE);
    let token = idp.token(&request)?;
    files::write_private(&directory.token(), format!("{}\n", token.access_token).as_bytes())?;
    let fields = Fields::default()
        .with("scope", &token.scope)
        .with("expiresIn", format!("{} s", token.expires_in))
        .with("accessToken", format!("in {}", directory.token().display()));
    story.step("An access token and an ID token, on record before given out", &fields)?;
    Ok(token)
}

/// Verifies both tokens as a resource server would: by an exported file and nothing else.
fn verify_offline(
    idp: &Idp,
    agent: &Agent,
    token: &TokenResponse,
    directory: &Directory,
    story: &mut Story<'_>,
) -> Result<(), Failure> {
    files::write_private(&directory.jwks(), idp.jwks().to_json().as_bytes())?;
    let jwks = Jwks::parse(&files::read(&directory.jwks())?)?;
    let verifier = Verifier::new(ISSUER, &jwks, &CryptoProvider::default_provider())
        .map_err(|error| Failure::new(ErrorCode::InvalidKeySet, error.to_string()))?;
    let claims = verifier.verify_access_token(&token.access_token, AUDIENCE)?;
    check(claims.sub == agent.id.as_str(), "the token is another agent's")?;
    check(claims.agent_did.as_deref() == Some(&agent.did), "the token names another DID")?;
    check(claims.scopes().any(|scope| scope == SCOPE), "the token lacks the scope asked for")?;
    let elsewhere = verifier.verify_access_token(&token.access_token, "https://other.example.com");
    check(elsewhere.is_err(), "the token is valid for an audience it is not for")?;
    let id_token = token.id_token.as_deref().unwrap_or_default();
    let id_claims = verifier.verify_id_token(id_token, agent.client_id.as_str())?;
    let hash = at_hash(Alg::Es256, &token.access_token);
    check(id_claims.at_hash == Some(hash), "the ID token belongs to another access token")?;
    let fields = Fields::default()
        .with("keys", format!("in {}", directory.jwks().display()))
        .with("sub", &claims.sub)
        .with("aud", &claims.aud)
        .with("agentName", &id_claims.agent_name);
    story.step("Both verified offline, by the exported key set", &fields)
}

fn check_trail(acme: &OrgHandle, story: &mut Story<'_>) -> Result<u64, Failure> {
    let page = acme.audit(&PageRequest::first().limit(500))?;
    let types: Vec<&str> = page.items.iter().map(|entry| entry.event_type.as_str()).collect();
    for wanted in ["agent.created", "credential.generated", "token.issued"] {
        check(types.contains(&wanted), &format!("the trail does not tell of {wanted}"))?;
    }
    let report = acme.verify_audit()?;
    if !report.valid {
        let message = "the audit trail does not verify";
        return Err(Failure::new(ErrorCode::Internal, message));
    }
    check(report.size == types.len() as u64, "the trail lists fewer entries than it has")?;
    let fields = Fields::default()
        .with("events", &types)
        .with("entries", report.size)
        .with("root", &report.root);
    story.step("The audit trail tells all of it, and verifies", &fields)?;
    Ok(report.size)
}

/// A check of the story: what it denies would be a fault of this program.
fn check(holds: bool, otherwise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(ErrorCode::Internal, otherwise)) }
}
