//! `--org`, and ids on the command line.

use agentidp_core::{AgentError, AgentId, CredentialError, CredentialId, Idp, OrgHandle};

use crate::failure::Failure;

/// The organization that `--org` names.
#[derive(Debug, clap::Args)]
pub(crate) struct OrgFlag {
    /// Organization, by its slug or its id.
    #[arg(long, value_name = "SLUG_OR_ID", env = "AGENTIDP_ORG")]
    org: String,
}

impl OrgFlag {
    /// The handle to it.
    ///
    /// # Errors
    /// [`Failure`] when there is no such organization.
    pub(super) fn handle(&self, idp: &Idp) -> Result<OrgHandle, Failure> {
        Ok(idp.org(&idp.find_org(&self.org)?.id))
    }

    /// What it goes by.
    pub(super) fn name(&self) -> &str {
        &self.org
    }
}

/// Reads an agent's id. What cannot be one is answered as an agent that is not there.
///
/// # Errors
/// [`Failure`] when it cannot be one.
pub(super) fn agent_id(text: &str) -> Result<AgentId, Failure> {
    AgentId::parse(text).map_err(|_| Failure::from(AgentError::NotFound))
}

/// Reads a credential's id. What cannot be one is answered as a credential that is not there.
///
/// # Errors
/// [`Failure`] when it cannot be one.
pub(super) fn credential_id(text: &str) -> Result<CredentialId, Failure> {
    CredentialId::parse(text).map_err(|_| Failure::from(CredentialError::NotFound))
}
