//! `agentidp token introspect` and `agentidp token revoke`: questions about tokens, and their end.

use std::ffi::OsString;
use std::path::PathBuf;

use agentidp_core::{
    ErrorCode, Introspection, IntrospectionRequest, Jti, RevocationRequest, SecretString,
    Timestamp, TokenError,
};
use clap::Args;

use crate::cli::Global;
use crate::command::asked::Asked;
use crate::command::confirm::{DryRun, would};
use crate::command::refusals;
use crate::failure::Failure;
use crate::home;
use crate::output::{Fields, Output};

use super::{client_secret, token};

/// Who asks. Without a client it is whoever may open the home, who may know and end everything.
#[derive(Debug, Args)]
struct Client {
    /// Ask as this client: the agent's id [default: as the operator of this instance].
    #[arg(long, value_name = "ID", env = "AGENTIDP_CLIENT_ID")]
    client_id: Option<String>,
    /// File with the client secret, `-` for standard input; else AGENTIDP_CLIENT_SECRET is read.
    #[arg(long, value_name = "PATH", env = "AGENTIDP_CLIENT_SECRET_FILE")]
    client_secret_file: Option<PathBuf>,
}

/// A token to be told about.
#[derive(Debug, Args)]
pub(crate) struct Introspect {
    #[command(flatten)]
    client: Client,
    /// The token, `-` for standard input.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: OsString,
}

/// A token to be ended.
#[derive(Debug, Args)]
#[command(
    after_help = "A client ends tokens of its own organization, by the tokens themselves. A dry run is \
the operator's alone: a client that proves nothing leaves an entry in the audit trail. With --client-id \
the variables AGENTIDP_ORG and AGENTIDP_JTI are not looked at, and the latter is not beside a TOKEN."
)]
pub(crate) struct Revoke {
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    target: Asked<Target>,
    #[command(flatten)]
    dry_run: DryRun,
}

/// Which token it is.
#[derive(Debug, Args)]
struct Target {
    /// As the operator: end it only if it is a token of this organization, by its slug or its id.
    #[arg(long, value_name = "SLUG_OR_ID", env = "AGENTIDP_ORG")]
    org: Option<String>,
    /// Name of the token, such as the audit trail has it, where the token itself is not at hand.
    #[arg(long, value_name = "JTI", env = "AGENTIDP_JTI")]
    jti: Option<String>,
    /// The token, `-` for standard input.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: OsString,
}

impl Client {
    /// The client and its secret, if a client asks.
    fn proof(&self, token: Option<&OsString>) -> Result<Option<(&str, SecretString)>, Failure> {
        let secret_file = self.client_secret_file.as_deref();
        let Some(id) = &self.client_id else {
            return match secret_file {
                None => Ok(None),
                Some(_) => Err(Failure::usage("the client secret is there, but not whose it is")
                    .hint("say who asks: --client-id ID")),
            };
        };
        if secret_file.is_some_and(|path| path.as_os_str() == "-")
            && token.is_some_and(|token| token == "-")
        {
            return Err(Failure::usage("standard input cannot be both the token and the secret")
                .hint("give the token as an argument, or the secret in a file"));
        }
        Ok(Some((id, client_secret(secret_file)?)))
    }
}

/// Answers what the token says, if it is active and the asker may know.
pub(super) fn introspect(
    introspect: &Introspect,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let proof = introspect.client.proof(Some(&introspect.token))?;
    let mut question = IntrospectionRequest::new(token(&introspect.token)?.as_str());
    if let Some((id, secret)) = proof {
        question = question.client(id, secret);
    }
    let answer = home::open(global)?.introspect(&question)?;
    if output.is_json() { output.document(&answer) } else { output.fields(&fields(&answer)) }
}

fn fields(answer: &Introspection) -> Fields {
    let time = |seconds: Option<i64>| seconds.map(Timestamp::from_seconds);
    Fields::default()
        .with("active", answer.active)
        .maybe("client_id", answer.client_id.as_ref())
        .maybe("sub", answer.sub.as_ref())
        .maybe("organization_id", answer.organization_id.as_ref())
        .maybe("agent_did", answer.agent_did.as_ref())
        .maybe("aud", answer.active.then_some(&answer.aud))
        .maybe("scope", answer.scope.as_ref())
        .maybe("iss", answer.iss.as_ref())
        .maybe("jti", answer.jti.as_ref())
        .maybe("token_type", answer.token_type)
        .maybe("iat", time(answer.iat))
        .maybe("exp", time(answer.exp))
        .maybe("act", answer.act.as_ref())
        .maybe("cnf", answer.cnf.as_ref())
}

/// Ends the token, if it is one and the asker may.
pub(super) fn revoke(revoke: &Revoke, global: &Global, output: &Output) -> Result<(), Failure> {
    revoke.check()?;
    let named = revoke.named()?;
    let proof = revoke.client.proof(named.is_none().then_some(&revoke.target.flags.token))?;
    if revoke.dry_run.is_wanted() {
        let action = match named {
            Some((jti, org)) => foresee_named(jti, org, global)?,
            None => foresee(revoke, global)?,
        };
        return would(&action, Fields::default(), output);
    }
    let revoked = match named {
        Some((jti, org)) => {
            let idp = home::open(global)?;
            let org = idp.org(&idp.find_org(org)?.id);
            org.revoke_jti(&name(jti)?)?
        }
        None => by_token(revoke, proof, global)?,
    };
    if !revoked {
        let bounded = revoke.target.flags.org.is_some() && revoke.client.client_id.is_none();
        let whose = if bounded { "that organization" } else { "ours" };
        output.note(&format!("nothing to revoke: not a token of {whose}, or expired"));
    }
    output.fields(&Fields::default().with("revoked", revoked))
}

impl Revoke {
    /// Refuses two tokens at once, and what a client that proves itself cannot ask for.
    fn check(&self) -> Result<(), Failure> {
        let by_name = self.target.asks_for("jti");
        if by_name && self.target.asks_for("token") {
            return Err(Failure::usage("--jti names the token, and TOKEN is one")
                .hint("give the one or the other"));
        }
        if self.client.client_id.is_none() {
            return Ok(());
        }
        let refused = if by_name {
            Failure::usage("a client ends a token by the token itself, not by --jti")
                .hint("give the token, or leave out --client-id (and AGENTIDP_CLIENT_ID) to act as the operator")
        } else if self.target.asks_for("org") {
            Failure::usage("a client ends tokens of its own organization, whatever --org says")
                .hint("leave out --org, or --client-id (and AGENTIDP_CLIENT_ID) to act as the operator")
        } else if self.dry_run.is_wanted() {
            Failure::usage("a dry run is the operator's: a client has to prove itself")
                .hint("leave out --client-id (and AGENTIDP_CLIENT_ID) to look as the operator, or --dry-run to end it")
        } else {
            return Ok(());
        };
        Err(refused)
    }

    /// The token's name, and whose it is; `None` where the token itself is at hand. A variable names none
    /// to a client, and none beside a token that is given.
    fn named(&self) -> Result<Option<(&str, &str)>, Failure> {
        let Target { org, jti, .. } = &self.target.flags;
        let by_itself = self.client.client_id.is_some() || self.target.asks_for("token");
        let jti = jti.as_deref().filter(|_| self.target.asks_for("jti") || !by_itself);
        match (jti, org.as_deref()) {
            (None, _) => Ok(None),
            (Some(jti), Some(org)) => Ok(Some((jti, org))),
            (Some(_), None) => {
                Err(Failure::usage("--jti needs --org")
                    .hint("say whose token it is: --org SLUG_OR_ID"))
            }
        }
    }
}

/// Reads a token's name.
fn name(jti: &str) -> Result<Jti, Failure> {
    Jti::parse(jti).map_err(|error| Failure::new(ErrorCode::InvalidInput, format!("jti: {error}")))
}

fn by_token(
    revoke: &Revoke,
    proof: Option<(&str, SecretString)>,
    global: &Global,
) -> Result<bool, Failure> {
    let Target { org, token: text, .. } = &revoke.target.flags;
    let token = token(text)?;
    let idp = home::open(global)?;
    let request = RevocationRequest::new(token.as_str());
    let revoked: Result<bool, TokenError> = match (proof, org) {
        (Some((id, secret)), _) => idp.revoke(&request.client(id, secret)),
        (None, Some(org)) => idp.org(&idp.find_org(org)?.id).revoke_token(&token),
        (None, None) => idp.revoke(&request),
    };
    Ok(revoked?)
}

/// What would end, in words. The operator's question leaves no trace.
fn foresee(revoke: &Revoke, global: &Global) -> Result<String, Failure> {
    let Target { org, token: text, .. } = &revoke.target.flags;
    let token = token(text)?;
    let idp = home::open(global)?;
    let org = org.as_ref().map(|org| idp.find_org(org)).transpose()?;
    if let Some(org) = &org {
        refusals::if_deleted(org)?;
    }
    let about = idp.introspect(&IntrospectionRequest::new(token.as_str()))?;
    let its_org = about.organization_id.as_deref();
    let counts = org.as_ref().is_none_or(|org| its_org == Some(org.id.as_str()));
    Ok(match (&about.jti, &about.sub, org) {
        (Some(jti), Some(agent), _) if counts => {
            format!("end the token {jti} of the agent {agent}")
        }
        (_, _, None) => "end nothing: it is no active token of ours".to_owned(),
        (_, _, Some(org)) => {
            format!("end nothing: it is no active token of the organization `{}`", org.slug)
        }
    })
}

/// The same of a token that is not at hand: nobody knows whether it was ever issued.
fn foresee_named(jti: &str, org: &str, global: &Global) -> Result<String, Failure> {
    let org = home::open(global)?.find_org(org)?;
    let jti = name(jti)?;
    // The names that we give tell when.
    if jti.time().is_none() {
        let message = "jti: not the name of a token of ours";
        return Err(Failure::new(ErrorCode::InvalidInput, message));
    }
    refusals::if_deleted(&org)?;
    Ok(format!("end the token {jti} of the organization `{}`, unless it has expired", org.slug))
}
