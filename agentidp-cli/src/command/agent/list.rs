//! `agentidp agent list`.

use std::fmt::Write as _;

use agentidp_core::{Agent, AgentFilter, AgentStatus, Idp};
use clap::{Args, ValueEnum};

use crate::command::{OrgFlag, PageFlags, page_flags};
use crate::failure::Failure;
use crate::output::{Output, printable};

/// A page of agents.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    org: OrgFlag,
    /// Those of this status alone.
    #[arg(long, env = "AGENTIDP_STATUS")]
    status: Option<Status>,
    /// Those that exactly this owner is responsible for.
    #[arg(long, env = "AGENTIDP_OWNER")]
    owner: Option<String>,
    #[command(flatten)]
    page: PageFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Suspended,
    Decommissioned,
}

impl Status {
    fn named(self) -> AgentStatus {
        match self {
            Status::Active => AgentStatus::Active,
            Status::Suspended => AgentStatus::Suspended,
            Status::Decommissioned => AgentStatus::Decommissioned,
        }
    }
}

impl List {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let filter = match (self.status.map(Status::named), &self.owner) {
            (Some(status), Some(owner)) => AgentFilter::OwnerAndStatus(owner.clone(), status),
            (Some(status), None) => AgentFilter::Status(status),
            (None, Some(owner)) => AgentFilter::Owner(owner.clone()),
            (None, None) => AgentFilter::All,
        };
        let page = self.org.handle(idp)?.list_agents(&filter, &self.page.request())?;
        page_flags::show(&page, line, output)
    }
}

/// An agent on a line: which, whether it may act, and its name.
fn line(agent: &Agent) -> String {
    let mut line = String::new();
    let _ =
        writeln!(line, "{}  {:14}  {}", agent.id, agent.status.as_str(), printable(&agent.name));
    line
}
