//! `agentidp credential rotate` and `revoke`.

use std::time::Duration;

use agentidp_core::{Idp, RevokeTokens};
use clap::Args;
use clap::builder::FalseyValueParser;

use crate::command::confirm::Confirm;
use crate::command::{OrgFlag, credential_id, duration, refusals};
use crate::failure::Failure;
use crate::output::Output;

use super::{SecretOut, shown};

/// A client secret to replace.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The credential's id.
    #[arg(value_name = "CREDENTIAL")]
    credential: String,
    #[command(flatten)]
    org: OrgFlag,
    /// Time for which the old secret lives on, such as 24h or 0s, up to 90d.
    #[arg(
        long,
        value_name = "TIME",
        env = "AGENTIDP_OVERLAP",
        default_value = "24h",
        value_parser = duration::parse_overlap
    )]
    overlap: Duration,
    #[command(flatten)]
    secret_out: SecretOut,
}

impl Rotate {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let org = self.org.handle(idp)?;
        let id = credential_id(&self.credential)?;
        self.secret_out.hand_out(&org, output, |org| org.rotate_credential(&id, self.overlap))
    }
}

/// A credential that is to prove nothing any more.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its id.
    #[arg(value_name = "CREDENTIAL")]
    credential: String,
    #[command(flatten)]
    org: OrgFlag,
    /// End all tokens of its agent too.
    #[arg(long, env = "AGENTIDP_TOKENS", value_parser = FalseyValueParser::new())]
    tokens: bool,
    #[command(flatten)]
    confirm: Confirm,
}

impl Revoke {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let org = self.org.handle(idp)?;
        let credential = org.credential(&credential_id(&self.credential)?)?;
        if self.confirm.is_dry_run() {
            refusals::if_deleted(&org.get()?)?;
        }
        let (id, agent) = (&credential.id, &credential.client_id);
        let tokens = if self.tokens { " and end all tokens of its agent" } else { "" };
        let action = format!("revoke the credential {id} of the agent {agent}{tokens}");
        if !self.confirm.given(&action, output)? {
            return Ok(());
        }
        let tokens = if self.tokens { RevokeTokens::Yes } else { RevokeTokens::No };
        output.fields(&shown(&org.revoke_credential(id, tokens)?))
    }
}
