//! `agentidp credential`.

mod change;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentidp_core::{Credential, CredentialError, Idp, IssuedCredential, NewCredential, OrgHandle};
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::{Fields, Output, printable};
use crate::{files, home};

use super::asked::Asked;
use super::{OrgFlag, PageFlags, agent_id, duration, page_flags};

/// What is done with credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Issue a client secret, which is shown once, or register a public key.
    Issue(Issue),
    /// List an agent's credentials without their secrets, a page at a time, the oldest first.
    List(List),
    /// Issue a client secret in the place of another, which lives on for a while.
    Rotate(change::Rotate),
    /// Revoke a credential.
    Revoke(change::Revoke),
}

/// A new credential.
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
    #[command(flatten)]
    key: Asked<KeyFile>,
    #[command(flatten)]
    secret_out: Asked<SecretOut>,
}

/// A key instead of a secret.
#[derive(Debug, Args)]
struct KeyFile {
    /// File with a public key, a JWK or PEM, to be used instead of a secret.
    #[arg(long, value_name = "FILE", env = "AGENTIDP_PUBLIC_KEY")]
    public_key: Option<PathBuf>,
}

/// Where a new secret goes.
#[derive(Debug, Args)]
pub(crate) struct SecretOut {
    /// New file to write the secret to (mode 0600) instead of showing it.
    #[arg(long, value_name = "FILE", env = "AGENTIDP_SECRET_OUT")]
    secret_out: Option<PathBuf>,
}

/// Credentials to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    org: OrgFlag,
    /// The agent's id.
    #[arg(long, value_name = "ID", env = "AGENTIDP_AGENT")]
    agent: String,
    #[command(flatten)]
    page: PageFlags,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    if let Verb::Issue(issue) = verb {
        issue.check()?;
    }
    let idp = home::open(global)?;
    match verb {
        Verb::Issue(issue) => issue.run(&idp, output),
        Verb::List(list) => {
            let (org, agent) = (list.org.handle(&idp)?, agent_id(&list.agent)?);
            let page = org.list_credentials(&agent, &list.page.request())?;
            page_flags::show(&page, line, output)
        }
        Verb::Rotate(rotate) => rotate.run(&idp, output),
        Verb::Revoke(revoke) => revoke.run(&idp, output),
    }
}

impl Issue {
    /// Refuses a file for a secret that there is not. Variables, which are there for all commands, ask for
    /// nothing here.
    fn check(&self) -> Result<(), Failure> {
        if self.key.asks_for("public_key") && self.secret_out.asks_for("secret_out") {
            return Err(Failure::usage("a public key has no secret that could go to a file")
                .hint("leave out --secret-out, or leave out --public-key to issue a secret"));
        }
        Ok(())
    }

    /// The key, if one is to be used. A variable names none beside a file for a secret.
    fn public_key(&self) -> Option<&Path> {
        let secret = self.secret_out.asks_for("secret_out") && !self.key.asks_for("public_key");
        self.key.flags.public_key.as_deref().filter(|_| !secret)
    }

    fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let org = self.org.handle(idp)?;
        let agent = agent_id(&self.agent)?;
        if let Some(path) = self.public_key() {
            let mut new = NewCredential::public_key(&files::read_text(path)?);
            if let Some(life) = self.expires_in {
                new = new.expires_in(life);
            }
            return output.fields(&shown(&org.add_public_key(&agent, new)?));
        }
        let mut new = NewCredential::default();
        if let Some(life) = self.expires_in {
            new = new.expires_in(life);
        }
        self.secret_out.flags.hand_out(&org, output, |org| org.issue_credential(&agent, new))
    }
}

impl SecretOut {
    /// Issues a secret by `issue` and shows it, or writes it where it was asked to go.
    fn hand_out(
        &self,
        org: &OrgHandle,
        output: &Output,
        issue: impl FnOnce(&OrgHandle) -> Result<IssuedCredential, CredentialError>,
    ) -> Result<(), Failure> {
        // The file first: a secret that nobody can write down must not be issued.
        let file = match self.secret_out.as_deref() {
            Some(path) => Some((path, files::create_private(path)?)),
            None => None,
        };
        let issued = issue(org).inspect_err(|_| {
            if let Some((path, _)) = &file {
                let _ = std::fs::remove_file(path);
            }
        })?;
        let credential = issued.credential();
        let fields = Fields::default()
            .with("credentialId", &credential.id)
            .with("clientId", &credential.client_id);
        let fields = match file {
            Some((path, file)) => {
                write_down(&issued, path, file)?;
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
        if self.secret_out.is_none() {
            output.note("note: the secret is shown this once and kept nowhere");
        }
        Ok(())
    }
}

fn write_down(issued: &IssuedCredential, path: &Path, mut file: File) -> Result<(), Failure> {
    writeln!(file, "{}", issued.secret())
        .and_then(|()| file.sync_all())
        .map_err(|error| Failure::file(path, &error))
}

/// A credential without its secret.
fn shown(credential: &Credential) -> Fields {
    Fields::default()
        .with("credentialId", &credential.id)
        .with("clientId", &credential.client_id)
        .with("kind", credential.kind)
        .maybe("kid", credential.kid.as_ref())
        .maybe("expiresAt", credential.expires_at)
        .with("status", credential.status)
        .with("createdAt", credential.created_at)
}

/// A credential on a line: which, whether it may be used and until when, and what it is.
fn line(credential: &Credential) -> String {
    let until = credential.expires_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let what = credential.kid.as_deref().map_or_else(|| "secret".to_owned(), printable);
    let (id, status) = (&credential.id, credential.status.as_str());
    let mut line = String::new();
    let _ = writeln!(line, "{id}  {status:7}  {until:27}  {what}");
    line
}
