//! `agentidp agent`.

mod change;
mod import;
mod keys;
mod list;
mod register;

use agentidp_core::Agent;
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
    Register(register::Register),
    /// List agents, a page at a time, the oldest first.
    List(list::List),
    /// Show an agent.
    Show(Show),
    /// Change an agent; what is not named stays as it is.
    Update(change::Update),
    /// Suspend an agent: it gets no tokens, and those it has end for good.
    Suspend(change::Suspend),
    /// Let a suspended agent act again.
    Reactivate(Show),
    /// Decommission an agent for good: its tokens, credentials and keys end.
    Decommission(change::Decommission),
    /// Replace the key that is held for an agent.
    RotateKeys(keys::RotateKeys),
    /// List the keys of an agent that are published, the oldest first.
    ListKeys(keys::ListKeys),
    /// Register a public key whose private half the agent holds.
    AddKey(keys::AddKey),
    /// End a key of an agent for good: it is published no more and proves nothing.
    RevokeKey(keys::RevokeKey),
    /// Import agents of another installation from lines of JSON. Exit code 1: some were refused.
    Import(import::Import),
}

/// One agent.
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
            register.org.handle(&idp)?.register_agent(register.new_agent()?)?
        }
        Verb::List(list) => return list.run(&idp, output),
        Verb::Show(show) => show.org.handle(&idp)?.agent(&agent_id(&show.agent)?)?,
        Verb::Update(update) => update.run(&idp)?,
        Verb::Suspend(suspend) => match suspend.run(&idp, output)? {
            Some(agent) => agent,
            None => return Ok(()),
        },
        Verb::Reactivate(show) => {
            show.org.handle(&idp)?.reactivate_agent(&agent_id(&show.agent)?)?
        }
        Verb::Decommission(verb) => match verb.run(&idp, output)? {
            Some(agent) => agent,
            None => return Ok(()),
        },
        Verb::RotateKeys(rotate) => return rotate.run(&idp, output),
        Verb::ListKeys(list) => return list.run(&idp, output),
        Verb::AddKey(add) => return add.run(&idp, output),
        Verb::RevokeKey(revoke) => return revoke.run(&idp, output),
        Verb::Import(import) => return import.run(&idp, output),
    };
    output.fields(&fields(&agent))
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
        .maybe("capabilities", Some(&agent.capabilities).filter(|list| !list.is_empty()))
        .maybe("url", agent.url.as_ref())
        .maybe("tokenLifeSecondsMax", agent.token_life_seconds_max)
        .maybe("tokenAlg", agent.token_alg)
        .maybe("importedAt", agent.imported_at)
        .with("createdAt", agent.created_at)
        .with("updatedAt", agent.updated_at)
}
