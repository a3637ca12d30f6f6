//! `agentidp agent`.

use agentidp_core::{Agent, NewAgent};
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::failure::Failure;
use crate::home;
use crate::output::{Fields, Output};

use super::{OrgFlag, agent_id};

/// What is done with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Register an agent; its DID and the keys held for it are made with it.
    Register(Register),
    /// Show an agent.
    Show(Show),
}

/// A new agent.
#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(flatten)]
    org: OrgFlag,
    /// Name for people.
    #[arg(long, env = "AGENTIDP_NAME")]
    name: String,
    /// Scope it may ask for; may be given several times.
    #[arg(long, env = "AGENTIDP_SCOPE", value_delimiter = ' ')]
    scope: Vec<String>,
    /// Resource it may ask tokens for; may be given several times.
    #[arg(long, value_name = "URL", env = "AGENTIDP_AUDIENCE", value_delimiter = ' ')]
    audience: Vec<String>,
    /// What it does.
    #[arg(long, env = "AGENTIDP_DESCRIPTION")]
    description: Option<String>,
    /// Who is responsible for it.
    #[arg(long, env = "AGENTIDP_OWNER")]
    owner: Option<String>,
}

/// An agent to show.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let idp = home::open(global)?;
    let agent = match verb {
        Verb::Register(register) => {
            register.org.handle(&idp)?.register_agent(register.new_agent())?
        }
        Verb::Show(show) => show.org.handle(&idp)?.agent(&agent_id(&show.agent)?)?,
    };
    output.fields(&fields(&agent))
}

impl Register {
    fn new_agent(&self) -> NewAgent {
        let mut agent = NewAgent::new(&self.name);
        for scope in self.scope.iter().filter(|scope| !scope.is_empty()) {
            agent = agent.scope(scope);
        }
        for audience in self.audience.iter().filter(|audience| !audience.is_empty()) {
            agent = agent.audience(audience);
        }
        if let Some(description) = &self.description {
            agent = agent.description(description);
        }
        if let Some(owner) = &self.owner {
            agent = agent.owner(owner);
        }
        agent
    }
}

fn fields(agent: &Agent) -> Fields {
    Fields::default()
        .with("agentId", &agent.id)
        .with("clientId", &agent.client_id)
        .with("organizationId", &agent.organization_id)
        .with("did", &agent.did)
        .with("name", &agent.name)
        .maybe("description", agent.description.as_ref())
        .maybe("owner", agent.owner.as_ref())
        .with("status", agent.status)
        .with("scopes", agent.scopes.iter().collect::<Vec<_>>())
        .with("audiences", &agent.audiences)
        .with("createdAt", agent.created_at)
        .with("updatedAt", agent.updated_at)
}
