//! `agentidp token`.

mod about;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
use agentidp_core::{ErrorCode, SecretString, TokenRequest, TokenResponse};
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::{Fields, Output};
use crate::{files, home};

/// Where a client secret is, unless it is in a file.
const SECRET_VARIABLE: &str = "AGENTIDP_CLIENT_SECRET";

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Issue an access token to a client that proves itself by its secret.
    Issue(Issue),
    /// Verify an access token. Exit code 3: it is not valid.
    Verify(Verify),
    /// Tell whether a token is active now, and what it says (RFC 7662).
    Introspect(about::Introspect),
    /// End a token before it expires (RFC 7009). Who verifies it offline accepts it until then.
    Revoke(about::Revoke),
}

/// A request for a token.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// The client: the agent's id.
    #[arg(long, value_name = "ID", env = "AGENTIDP_CLIENT_ID")]
    client_id: String,
    /// File with the client secret, `-` for standard input; else AGENTIDP_CLIENT_SECRET is read.
    #[arg(long, value_name = "PATH", env = "AGENTIDP_CLIENT_SECRET_FILE")]
    client_secret_file: Option<PathBuf>,
    /// Scopes, separated by spaces; `openid` asks for an ID token [default: all that apply].
    #[arg(long, env = "AGENTIDP_SCOPE")]
    scope: Option<String>,
    /// Resource that the token is for [default: the agent's one audience].
    #[arg(long, value_name = "URL", env = "AGENTIDP_RESOURCE")]
    resource: Option<String>,
}

/// A token to verify.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// File with the issuer's key set; needs no home then. Without it: this instance's keys.
    #[arg(long, value_name = "FILE", env = "AGENTIDP_JWKS")]
    jwks: Option<PathBuf>,
    /// Issuer expected [default without --jwks: this instance].
    #[arg(long, value_name = "URL", env = "AGENTIDP_ISSUER")]
    issuer: Option<String>,
    /// Audience expected [default without --jwks: the issuer].
    #[arg(long, value_name = "URL", env = "AGENTIDP_AUDIENCE")]
    audience: Option<String>,
    /// The token, `-` for standard input.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: OsString,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed, or the token is not valid.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    match verb {
        Verb::Issue(issue) => run_issue(issue, global, output),
        Verb::Verify(verify) => run_verify(verify, global, output),
        Verb::Introspect(introspect) => about::introspect(introspect, global, output),
        Verb::Revoke(revoke) => about::revoke(revoke, global, output),
    }
}

fn run_issue(issue: &Issue, global: &Global, output: &Output) -> Result<(), Failure> {
    let secret = client_secret(issue.client_secret_file.as_deref())?;
    let idp = home::open(global)?;
    let mut request = TokenRequest::client_credentials(&issue.client_id, secret);
    if let Some(scope) = &issue.scope {
        request = request.scope(scope);
    }
    if let Some(resource) = &issue.resource {
        request = request.resource(resource);
    }
    output.fields(&fields(&idp.token(&request)?))
}

fn client_secret(path: Option<&Path>) -> Result<SecretString, Failure> {
    match (path, std::env::var(SECRET_VARIABLE)) {
        (Some(path), _) => files::read_secret(path),
        (None, Ok(secret)) => Ok(SecretString::new(secret)),
        (None, Err(_)) => Err(Failure::usage("the client secret is missing").hint(format!(
            "supply it with --client-secret-file PATH (`-` for standard input) or in {SECRET_VARIABLE}"
        ))),
    }
}

/// The answer under the names of RFC 6749 section 5.1.
fn fields(response: &TokenResponse) -> Fields {
    Fields::default()
        .with("access_token", &response.access_token)
        .with("token_type", response.token_type)
        .with("expires_in", response.expires_in)
        .maybe("scope", response.scope.as_ref())
        .maybe("id_token", response.id_token.as_ref())
}

fn run_verify(verify: &Verify, global: &Global, output: &Output) -> Result<(), Failure> {
    let (verifier, audience) = match &verify.jwks {
        Some(path) => offline(path, verify)?,
        None => own(verify, global)?,
    };
    let token = token(&verify.token)?;
    let claims = verifier
        .verify_access_token(&token, &audience)
        .map_err(|error| Failure::from(error).details(Fields::default().with("valid", false)))?;
    if output.is_json() {
        return output.document(&Fields::default().with("valid", true).with("claims", &claims));
    }
    output.fields(
        &Fields::default()
            .with("valid", true)
            .with("iss", &claims.iss)
            .with("sub", &claims.sub)
            .with("aud", &claims.aud)
            .with("scope", &claims.scope)
            .with("organization_id", &claims.organization_id)
            .maybe("agent_did", claims.agent_did.as_ref())
            .with("jti", &claims.jti)
            .with("exp", agentidp_core::Timestamp::from_seconds(claims.exp)),
    )
}

fn offline(path: &Path, verify: &Verify) -> Result<(Verifier, String), Failure> {
    let (Some(issuer), Some(audience)) = (&verify.issuer, &verify.audience) else {
        return Err(Failure::usage("--jwks needs --issuer and --audience")
            .hint("say whose token it should be and for whom: --issuer URL --audience URL"));
    };
    let jwks = Jwks::parse(&files::read(path)?)?;
    Ok((verifier(issuer, &jwks)?, audience.clone()))
}

fn own(verify: &Verify, global: &Global) -> Result<(Verifier, String), Failure> {
    let idp = home::open(global)?;
    let issuer = verify.issuer.clone().unwrap_or_else(|| idp.status().issuer.to_string());
    let verifier = verifier(&issuer, &idp.jwks())?;
    Ok((verifier, verify.audience.clone().unwrap_or(issuer)))
}

fn verifier(issuer: &str, jwks: &Jwks) -> Result<Verifier, Failure> {
    Verifier::new(issuer, jwks, &CryptoProvider::default_provider())
        .map_err(|error| Failure::new(ErrorCode::InvalidKeySet, error.to_string()))
}

/// The token as it was given. What is not text is no token, which the verifier will say.
fn token(given: &OsString) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given.to_string_lossy().into_owned());
    }
    let bytes = files::read(Path::new("-"))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
