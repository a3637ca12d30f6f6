//! Changes of agents: `update`, `suspend`, `decommission`.

use agentidp_core::{Agent, AgentChanges, AgentError, AgentStatus, Alg, Idp};
use clap::Args;

use crate::command::confirm::{Confirm, DryRun, would};
use crate::command::key::alg;
use crate::command::{OrgFlag, agent_id, refusals};
use crate::failure::Failure;
use crate::output::{Fields, Output};

/// What becomes of an agent.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Its id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    /// Name for people.
    #[arg(long, env = "AGENTIDP_NAME")]
    name: Option<String>,
    /// All scopes it may ask for; may be given several times, empty for none.
    #[arg(long, env = "AGENTIDP_SCOPE", value_delimiter = ' ')]
    scope: Option<Vec<String>>,
    /// All resources it may ask tokens for; may be given several times, empty for none.
    #[arg(long, value_name = "URL", env = "AGENTIDP_AUDIENCE", value_delimiter = ' ')]
    audience: Option<Vec<String>>,
    /// What it does; empty to say nothing.
    #[arg(long, env = "AGENTIDP_DESCRIPTION")]
    description: Option<String>,
    /// Who is responsible for it; empty for nobody.
    #[arg(long, env = "AGENTIDP_OWNER")]
    owner: Option<String>,
    /// All OASF skills that it has; may be given several times, empty for none.
    #[arg(long, value_name = "SKILL", env = "AGENTIDP_CAPABILITY", value_delimiter = ' ')]
    capability: Option<Vec<String>>,
    /// Where it is reached itself: https, or http on localhost; empty for nowhere.
    #[arg(long, env = "AGENTIDP_URL")]
    url: Option<String>,
    /// Longest life of its tokens in seconds, 60 to 3600; 0 for that of its organization.
    #[arg(long, value_name = "SECONDS", env = "AGENTIDP_TOKEN_LIFE_SECONDS_MAX")]
    token_life_seconds_max: Option<i64>,
    /// Algorithm of its tokens, which the instance must have a key for; `default` for the instance's.
    #[arg(long, value_name = "ALG", env = "AGENTIDP_TOKEN_ALG", value_parser = alg_or_default)]
    token_alg: Option<TokenAlg>,
}

/// The algorithm of an agent's tokens.
#[derive(Debug, Clone, Copy)]
enum TokenAlg {
    OfTheInstance,
    Own(Alg),
}

fn alg_or_default(text: &str) -> Result<TokenAlg, String> {
    if text == "default" { Ok(TokenAlg::OfTheInstance) } else { alg(text).map(TokenAlg::Own) }
}

impl Update {
    pub(super) fn run(&self, idp: &Idp) -> Result<Agent, Failure> {
        let org = self.org.handle(idp)?;
        Ok(org.update_agent(&agent_id(&self.agent)?, &self.changes())?)
    }

    fn changes(&self) -> AgentChanges {
        let given = |list: &[String]| {
            list.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>()
        };
        let mut changes = AgentChanges::new();
        if let Some(name) = &self.name {
            changes = changes.name(name);
        }
        if let Some(scopes) = &self.scope {
            changes = changes.scopes(given(scopes));
        }
        if let Some(audiences) = &self.audience {
            changes = changes.audiences(given(audiences));
        }
        if let Some(capabilities) = &self.capability {
            changes = changes.capabilities(given(capabilities));
        }
        changes = match self.description.as_deref() {
            None => changes,
            Some("") => changes.without_description(),
            Some(description) => changes.description(description),
        };
        changes = match self.owner.as_deref() {
            None => changes,
            Some("") => changes.without_owner(),
            Some(owner) => changes.owner(owner),
        };
        changes = match self.url.as_deref() {
            None => changes,
            Some("") => changes.without_url(),
            Some(url) => changes.url(url),
        };
        changes = match self.token_alg {
            None => changes,
            Some(TokenAlg::OfTheInstance) => changes.without_token_alg(),
            Some(TokenAlg::Own(alg)) => changes.token_alg(alg),
        };
        match self.token_life_seconds_max {
            None => changes,
            Some(0) => changes.without_token_life_seconds_max(),
            Some(seconds) => changes.token_life_seconds_max(seconds),
        }
    }
}

/// An agent that is not to act for now.
#[derive(Debug, Args)]
pub(crate) struct Suspend {
    /// Its id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Suspend {
    /// The agent as it is then; nothing on a dry run.
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<Option<Agent>, Failure> {
        let (org, id) = (self.org.handle(idp)?, agent_id(&self.agent)?);
        if !self.dry_run.is_wanted() {
            return Ok(Some(org.suspend_agent(&id)?));
        }
        refusals::if_deleted(&org.get()?)?;
        let agent = org.agent(&id)?;
        let named = format!("the agent `{}` ({id})", agent.name);
        let action = match agent.status {
            AgentStatus::Active => format!("suspend {named} and end all its tokens"),
            AgentStatus::Suspended => format!("change nothing: {named} is suspended already"),
            AgentStatus::Decommissioned => return Err(AgentError::Decommissioned.into()),
        };
        would(&action, Fields::default(), output)?;
        Ok(None)
    }
}

/// An agent that is to go.
#[derive(Debug, Args)]
pub(crate) struct Decommission {
    /// Its id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    confirm: Confirm,
}

impl Decommission {
    /// The agent as it is then; nothing on a dry run.
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<Option<Agent>, Failure> {
        let org = self.org.handle(idp)?;
        let agent = org.agent(&agent_id(&self.agent)?)?;
        if self.confirm.is_dry_run() {
            refusals::if_deleted(&org.get()?)?;
            // One that is gone already is no member, and asking twice is answered twice.
            refusals::ending_role(&org, &agent.id)?;
        }
        let action = format!("decommission the agent `{}` ({}) for good", agent.name, agent.id);
        if !self.confirm.given(&action, output)? {
            return Ok(None);
        }
        Ok(Some(org.decommission_agent(&agent.id)?))
    }
}
