//! The keys of an agent: shown, added, replaced, ended.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use agentidp_core::{AgentError, AgentKey, Idp};
use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::files;
use crate::output::{Fields, Output};

use crate::command::confirm::Confirm;
use crate::command::{OrgFlag, agent_id, duration, refusals};

/// An agent whose keys are shown.
#[derive(Debug, Args)]
pub(crate) struct ListKeys {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
}

/// The document of a list.
#[derive(Serialize)]
struct List {
    items: Vec<Fields>,
}

impl ListKeys {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let keys = self.org.handle(idp)?.agent_keys(&agent_id(&self.agent)?)?;
        if output.is_json() {
            return output.document(&List { items: keys.iter().map(document).collect() });
        }
        let mut text = String::new();
        for AgentKey { kid, custody, state, public_key, created_at, .. } in &keys {
            let (custody, alg, state) = (custody.as_str(), public_key.alg(), state.as_str());
            let _ = writeln!(text, "{kid}  {custody:13}  {alg:5}  {state:7}  {created_at}");
        }
        output.text(&text)
    }
}

/// A key that the agent holds.
#[derive(Debug, Args)]
pub(crate) struct AddKey {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    /// File with the public key, a JWK or PEM; `-` for standard input.
    #[arg(long, value_name = "FILE", env = "AGENTIDP_PUBLIC_KEY")]
    public_key: PathBuf,
}

impl AddKey {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let text = files::read_text(&self.public_key)?;
        let key = self.org.handle(idp)?.add_agent_key(&agent_id(&self.agent)?, &text)?;
        show(&key, output)
    }
}

/// A key to replace.
#[derive(Debug, Args)]
pub(crate) struct RotateKeys {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    /// Time for which the old key is published, such as 24h or 0s, up to 90d.
    #[arg(
        long,
        value_name = "TIME",
        env = "AGENTIDP_OVERLAP",
        default_value = "24h",
        value_parser = duration::parse_overlap
    )]
    overlap: Duration,
}

impl RotateKeys {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let org = self.org.handle(idp)?;
        show(&org.rotate_agent_keys(&agent_id(&self.agent)?, self.overlap)?, output)
    }
}

/// A key to end.
#[derive(Debug, Args)]
#[command(after_help = "A name that begins with `-` goes last, after `--`.")]
pub(crate) struct RevokeKey {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    /// The key's name, as `agent list-keys` shows it.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    confirm: Confirm,
}

impl RevokeKey {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let (org, id) = (self.org.handle(idp)?, agent_id(&self.agent)?);
        let key = org.agent_keys(&id)?.into_iter().find(|key| key.kid == self.kid);
        let unknown =
            || Failure::from(AgentError::KeyNotFound).hint("see agentidp agent list-keys");
        let key = key.ok_or_else(unknown)?;
        if self.confirm.is_dry_run() {
            refusals::if_deleted(&org.get()?)?;
        }
        let (state, custody, kid) = (key.state.as_str(), key.custody.as_str(), &key.kid);
        let action = format!("revoke the {state} {custody} key `{kid}` of the agent {id} for good");
        if !self.confirm.given(&action, output)? {
            return Ok(());
        }
        org.revoke_agent_key(&id, kid)?;
        output.fields(
            &Fields::default().with("kid", kid).with("agentId", &id).with("state", "revoked"),
        )
    }
}

fn show(key: &AgentKey, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.document(&document(key));
    }
    output.fields(&what(key).and(when(key)))
}

/// A key by itself and in a list: as the REST API has it, and its algorithm besides.
fn document(key: &AgentKey) -> Fields {
    what(key).with("jwk", key.public_key.to_jwk()).and(when(key))
}

fn what(key: &AgentKey) -> Fields {
    Fields::default()
        .with("kid", &key.kid)
        .with("agentId", &key.agent_id)
        .with("alg", key.public_key.alg().as_str())
        .with("custody", key.custody)
        .with("state", key.state)
}

fn when(key: &AgentKey) -> Fields {
    Fields::default().with("createdAt", key.created_at).maybe("expiresAt", key.expires_at)
}
