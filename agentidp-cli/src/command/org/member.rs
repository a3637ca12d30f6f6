//! `agentidp org member`.

use agentidp_core::{Idp, Member, OrgError, Role};
use clap::{Args, Subcommand, ValueEnum};

use crate::command::confirm::{DryRun, would};
use crate::command::{OrgFlag, PageFlags, agent_id, page_flags, refusals};
use crate::failure::Failure;
use crate::output::{Fields, Output};

/// What is done with members.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make an active agent of the organization a member of it.
    Add(Add),
    /// List the members of an organization, a page at a time.
    List(List),
    /// End a membership and what its role allows; the last owner stays.
    Remove(Remove),
    /// Give a member another role; the last owner stays owner.
    SetRole(SetRole),
}

/// A new member.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    /// What it may do in the organization.
    #[arg(long, value_enum, default_value = "member", env = "AGENTIDP_ROLE")]
    role: RoleFlag,
}

/// A page of the members.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    page: PageFlags,
}

/// A membership to end.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    dry_run: DryRun,
}

/// Another role for a member.
#[derive(Debug, Args)]
pub(crate) struct SetRole {
    /// The agent's id.
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    org: OrgFlag,
    /// What it may do in the organization.
    #[arg(long, value_enum, env = "AGENTIDP_ROLE")]
    role: RoleFlag,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleFlag {
    Owner,
    Admin,
    Member,
}

impl From<RoleFlag> for Role {
    fn from(role: RoleFlag) -> Role {
        match role {
            RoleFlag::Owner => Role::Owner,
            RoleFlag::Admin => Role::Admin,
            RoleFlag::Member => Role::Member,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn run(verb: &Verb, idp: &Idp, output: &Output) -> Result<(), Failure> {
    match verb {
        Verb::Add(add) => {
            let org = add.org.handle(idp)?;
            output.fields(&fields(&org.add_member(&agent_id(&add.agent)?, add.role.into())?))
        }
        Verb::List(list) => {
            let page = list.org.handle(idp)?.members(&list.page.request())?;
            page_flags::show(&page, line, output)
        }
        Verb::Remove(remove) => remove.run(idp, output),
        Verb::SetRole(set) => {
            let org = set.org.handle(idp)?;
            let member = org.set_member_role(&agent_id(&set.agent)?, set.role.into())?;
            output.fields(&fields(&member))
        }
    }
}

impl Remove {
    fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let (org, agent) = (self.org.handle(idp)?, agent_id(&self.agent)?);
        if self.dry_run.is_wanted() {
            refusals::if_deleted(&org.get()?)?;
            let role = refusals::ending_role(&org, &agent)?.ok_or(OrgError::MemberNotFound)?;
            let action = format!("end the membership of the agent {agent} as {role}");
            return would(&action, Fields::default(), output);
        }
        org.remove_member(&agent)?;
        output.fields(&Fields::default().with("agentId", agent).with("removed", true))
    }
}

/// A member on a line.
fn line(member: &Member) -> String {
    let role = member.role.as_str();
    format!("{:36}  {role:6}  {}\n", member.agent_id.as_str(), member.created_at)
}

fn fields(member: &Member) -> Fields {
    Fields::default()
        .with("agentId", &member.agent_id)
        .with("role", member.role)
        .with("createdAt", member.created_at)
        .with("updatedAt", member.updated_at)
}
