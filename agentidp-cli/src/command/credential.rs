//! `agentidp credential`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use agentidp_core::NewCredential;
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::{Fields, Output};
use crate::{files, home};

use super::{OrgFlag, agent_id, duration};

/// What is done with credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Issue a client secret, which is shown once.
    Issue(Issue),
}

/// A new client secret.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    org: OrgFlag,
    /// The agent's id.
    #[arg(long, value_name = "ID", env = "AGENTIDP_AGENT")]
    agent: String,
    /// Time until it expires, such as 90d or 24h [default: never].
    #[arg(long, value_name = "TIME", env = "AGENTIDP_EXPIRES_IN", value_parser = duration::parse)]
    expires_in: Option<Duration>,
    /// New file to write the secret to (mode 0600) instead of showing it.
    #[arg(long, value_name = "FILE", env = "AGENTIDP_SECRET_OUT")]
    secret_out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let Verb::Issue(issue) = verb;
    let idp = home::open(global)?;
    let org = issue.org.handle(&idp)?;
    let agent = agent_id(&issue.agent)?;
    let mut new = NewCredential::default();
    if let Some(life) = issue.expires_in {
        new = new.expires_in(life);
    }
    // The file first: a secret that nobody can write down must not be issued.
    let file = match issue.secret_out.as_deref() {
        Some(path) => Some((path, files::create_private(path)?)),
        None => None,
    };
    let issued = org.issue_credential(&agent, new).inspect_err(|_| {
        if let Some((path, _)) = &file {
            let _ = std::fs::remove_file(path);
        }
    })?;
    let credential = issued.credential();
    let fields = Fields::default()
        .with("credentialId", &credential.id)
        .with("clientId", &credential.client_id);
    let fields = match file {
        Some((path, mut file)) => {
            writeln!(file, "{}", issued.secret())
                .and_then(|()| file.sync_all())
                .map_err(|error| Failure::file(path, &error))?;
            fields.with("clientSecretFile", path.display().to_string())
        }
        None => fields.with("clientSecret", issued.secret()),
    };
    output.fields(
        &fields
            .maybe("expiresAt", credential.expires_at)
            .with("status", credential.status)
            .with("createdAt", credential.created_at),
    )?;
    if issue.secret_out.is_none() {
        output.note("note: the secret is shown this once and kept nowhere");
    }
    Ok(())
}
