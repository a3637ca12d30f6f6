//! `agentidp org`.

mod list;
mod member;
mod status;
mod update;

use agentidp_core::{NewOrg, Org, PlanTier};
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::Global;
use crate::failure::Failure;
use crate::home;
use crate::output::{Fields, Output};

/// What is done with organizations.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make an organization.
    Create(Create),
    /// Show an organization.
    Show(Show),
    /// List the organizations, a page at a time, the oldest first.
    List(list::List),
    /// Change an organization's name, plan or limits.
    Update(update::Update),
    /// Suspend an organization: its tokens end for good, and none are issued meanwhile.
    Suspend(status::Suspend),
    /// Activate a suspended organization again.
    Activate(status::Named),
    /// Delete an organization for good: its keys, secrets and names are gone, its trail stays.
    Delete(status::Delete),
    /// Members of an organization: agents that may manage it.
    #[command(subcommand)]
    Member(member::Verb),
}

/// A new organization.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name in URLs and command lines: a-z, 0-9 and `-`.
    #[arg(long, env = "AGENTIDP_SLUG")]
    slug: String,
    /// Name for people [default: the slug].
    #[arg(long, env = "AGENTIDP_NAME")]
    name: Option<String>,
    /// What it pays for, and so its limits.
    #[arg(long, value_enum, default_value = "free", env = "AGENTIDP_PLAN")]
    plan: Plan,
    /// Most agents [default: by plan].
    #[arg(long, value_name = "N", env = "AGENTIDP_MAX_AGENTS", allow_negative_numbers = true)]
    max_agents: Option<i64>,
    /// Most tokens in a calendar month [default: by plan].
    #[arg(
        long,
        value_name = "N",
        env = "AGENTIDP_MAX_TOKENS_PER_MONTH",
        allow_negative_numbers = true
    )]
    max_tokens_per_month: Option<i64>,
    /// Most requests in a minute [default: by plan].
    #[arg(
        long,
        value_name = "N",
        env = "AGENTIDP_RATE_LIMIT_PER_MINUTE",
        allow_negative_numbers = true
    )]
    rate_limit_per_minute: Option<i64>,
}

/// An organization to show.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its slug or its id.
    #[arg(value_name = "ORG")]
    org: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Plan {
    Free,
    Pro,
    Enterprise,
}

impl From<Plan> for PlanTier {
    fn from(plan: Plan) -> PlanTier {
        match plan {
            Plan::Free => PlanTier::Free,
            Plan::Pro => PlanTier::Pro,
            Plan::Enterprise => PlanTier::Enterprise,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let idp = home::open(global)?;
    let org = match verb {
        Verb::Create(create) => idp.create_org(create.new_org())?,
        Verb::Show(show) => idp.find_org(&show.org)?,
        Verb::List(list) => return list::run(list, &idp, output),
        Verb::Update(update) => update::run(update, &idp)?,
        Verb::Suspend(suspend) => match status::suspend(suspend, &idp, output)? {
            Some(org) => org,
            None => return Ok(()),
        },
        Verb::Activate(named) => status::activate(named, &idp)?,
        Verb::Delete(delete) => match status::delete(delete, &idp, output)? {
            Some(org) => org,
            None => return Ok(()),
        },
        Verb::Member(verb) => return member::run(verb, &idp, output),
    };
    output.fields(&fields(&org))
}

impl Create {
    fn new_org(&self) -> NewOrg {
        let mut org = NewOrg::new(&self.slug).plan(self.plan.into());
        if let Some(name) = &self.name {
            org = org.name(name);
        }
        if let Some(agents) = self.max_agents {
            org = org.max_agents(agents);
        }
        if let Some(tokens) = self.max_tokens_per_month {
            org = org.max_tokens_per_month(tokens);
        }
        if let Some(requests) = self.rate_limit_per_minute {
            org = org.rate_limit_per_minute(requests);
        }
        org
    }
}

fn fields(org: &Org) -> Fields {
    Fields::default()
        .with("organizationId", &org.id)
        .with("slug", &org.slug)
        .with("name", &org.name)
        .with("planTier", org.plan_tier)
        .with("maxAgents", org.max_agents)
        .with("maxTokensPerMonth", org.max_tokens_per_month)
        .with("rateLimitPerMinute", org.rate_limit_per_minute)
        .maybe("tokenLifeSecondsMax", org.token_life_seconds_max)
        .with("status", org.status)
        .with("createdAt", org.created_at)
        .with("updatedAt", org.updated_at)
}
