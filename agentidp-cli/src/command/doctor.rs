//! `agentidp doctor`.

mod errors;
mod home;

use std::fmt::Write as _;

use agentidp_core::{Config, HealthCheck, HealthStatus, Idp};
use clap::Args;

use crate::cli::Global;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Fields, Output, printable};

/// How far to look.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is changed. Exit code 3: a check failed; what is skipped could not be \
looked at because of it. A warning fails nothing."
)]
pub(crate) struct Arguments {
    /// Most organizations whose audit trail is verified, `system` first.
    #[arg(long, value_name = "N", default_value_t = 1000, env = "AGENTIDP_TRAILS_MAX")]
    trails_max: usize,
    /// Print the table of all error codes instead, and look at nothing.
    #[arg(long)]
    errors: bool,
}

/// Trails after which it is said how many are done.
const PROGRESS_EVERY: usize = 250;

/// Looks at everything.
///
/// # Errors
/// [`Failure`] when a check failed.
pub(crate) fn run(arguments: &Arguments, global: &Global, output: &Output) -> Result<(), Failure> {
    if arguments.errors {
        return errors::print(output);
    }
    let checks = examine(arguments.trails_max, global, output);
    let failed = checks.iter().filter(|check| check.status == HealthStatus::Failed).count();
    let answer = Fields::default().with("healthy", failed == 0).with("checks", &checks);
    if !output.is_json() {
        output.text(&lines(&checks))?;
    } else if failed == 0 {
        output.document(&answer)?;
    }
    if failed == 0 {
        return Ok(());
    }
    let message = format!("{failed} of {} checks failed", checks.len());
    Err(Failure::unhealthy(message).details(answer))
}

/// The home first, then what the library finds in the instance that it describes.
fn examine(trails_max: usize, global: &Global, output: &Output) -> Vec<HealthCheck> {
    let home = match Home::locate(global) {
        Ok(home) => home,
        Err(failure) => {
            let mut checks = vec![failed("home", &failure)];
            checks.extend(Idp::examine_machine());
            return checks;
        }
    };
    let (mut checks, config) = home::look(&home, global);
    checks.extend(match config {
        Some(config) => instance(config, trails_max, output),
        None => Idp::examine_machine(),
    });
    home::key_owner(&home, &mut checks);
    checks
}

fn instance(config: Config, trails_max: usize, output: &Output) -> Vec<HealthCheck> {
    Idp::examine(config, trails_max, &mut |done| {
        if done % PROGRESS_EVERY == 0 {
            output.note(&format!("{done} audit trails verified"));
        }
    })
}

/// What a failure of the command line tells, as a check.
fn failed(name: &'static str, failure: &Failure) -> HealthCheck {
    HealthCheck::failed(name, failure.message(), failure.advice())
}

/// A line for each check, and one for what to do about it.
fn lines(checks: &[HealthCheck]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (status, detail) = (check.status.as_str(), printable(&check.detail));
        let _ = writeln!(text, "{status:7}  {:width$}  {detail}", check.name);
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "{:7}  {:width$}  hint: {hint}", "", "");
        }
    }
    text
}
