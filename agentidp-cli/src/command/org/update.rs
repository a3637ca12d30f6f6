//! `agentidp org update`.

use agentidp_core::{Idp, Org, OrgChanges};
use clap::Args;
use clap::builder::FalseyValueParser;

use crate::failure::Failure;

use super::Plan;

/// Changes to an organization. What is not named stays as it is; the slug always does.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Its slug or its id.
    #[arg(value_name = "ORG")]
    org: String,
    /// Name for people.
    #[arg(long, env = "AGENTIDP_NAME")]
    name: Option<String>,
    /// Most seconds that a token of it lives, or `none`.
    #[arg(
        long,
        value_name = "N",
        env = "AGENTIDP_TOKEN_LIFE_SECONDS_MAX",
        value_parser = life,
        allow_negative_numbers = true
    )]
    token_life_seconds_max: Option<Life>,
    /// What it pays for; its limits stay as they are without --limits-of-plan.
    #[arg(long, value_enum, env = "AGENTIDP_PLAN")]
    plan: Option<Plan>,
    /// Give it its plan's limits where none are named here.
    #[arg(long, env = "AGENTIDP_LIMITS_OF_PLAN", value_parser = FalseyValueParser::new())]
    limits_of_plan: bool,
    /// Most agents; those that are there stay.
    #[arg(long, value_name = "N", env = "AGENTIDP_MAX_AGENTS", allow_negative_numbers = true)]
    max_agents: Option<i64>,
    /// Most tokens in a calendar month.
    #[arg(
        long,
        value_name = "N",
        env = "AGENTIDP_MAX_TOKENS_PER_MONTH",
        allow_negative_numbers = true
    )]
    max_tokens_per_month: Option<i64>,
    /// Most requests in a minute.
    #[arg(
        long,
        value_name = "N",
        env = "AGENTIDP_RATE_LIMIT_PER_MINUTE",
        allow_negative_numbers = true
    )]
    rate_limit_per_minute: Option<i64>,
}

/// A limit on the life of tokens, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life(Option<i64>);

fn life(text: &str) -> Result<Life, String> {
    match text {
        "none" => Ok(Life(None)),
        _ => text
            .parse()
            .map(|seconds| Life(Some(seconds)))
            .map_err(|_| "a number of seconds or `none` is expected".to_owned()),
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn run(update: &Update, idp: &Idp) -> Result<Org, Failure> {
    let changes = update.changes().ok_or_else(|| {
        Failure::usage("nothing is named that would change").hint("see agentidp org update --help")
    })?;
    let org = idp.find_org(&update.org)?;
    Ok(idp.org(&org.id).update(changes)?)
}

impl Update {
    /// What is named, if anything is.
    fn changes(&self) -> Option<OrgChanges> {
        let mut changes = None;
        let mut change = |with: &dyn Fn(OrgChanges) -> OrgChanges| {
            changes = Some(with(changes.take().unwrap_or_default()));
        };
        if let Some(name) = &self.name {
            change(&|changes| changes.name(name));
        }
        if let Some(Life(seconds)) = self.token_life_seconds_max {
            change(&|changes| changes.token_life_seconds_max(seconds));
        }
        if let Some(plan) = self.plan {
            change(&|changes| changes.plan(plan.into()));
        }
        if self.limits_of_plan {
            change(&OrgChanges::limits_of_plan);
        }
        if let Some(agents) = self.max_agents {
            change(&|changes| changes.max_agents(agents));
        }
        if let Some(tokens) = self.max_tokens_per_month {
            change(&|changes| changes.max_tokens_per_month(tokens));
        }
        if let Some(requests) = self.rate_limit_per_minute {
            change(&|changes| changes.rate_limit_per_minute(requests));
        }
        changes
    }
}

#[test]
fn a_life_is_seconds_or_none() {
    assert_eq!(life("600"), Ok(Life(Some(600))));
    assert_eq!(life("none"), Ok(Life(None)));
    for wrong in ["", "10m", "None", "1.5"] {
        assert!(life(wrong).is_err(), "{wrong}");
    }
}
