//! `agentidp worker`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agentidp_core::base::pause;
use agentidp_core::{Idp, Tick};
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::failure::Failure;
use crate::home;
use crate::output::{Fields, Output, say};

use super::duration;

/// What is done in the background.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Do what is due, once.
    Tick,
    /// Do what is due, again and again, until SIGTERM or SIGINT.
    Run(Run),
}

/// Work until told to stop.
#[derive(Debug, Args)]
#[command(
    after_help = "A unit of work that has begun is ended before the process is. Several workers may \
run at once. What fails is said and tried again."
)]
pub(crate) struct Run {
    /// Time between two ticks, such as 30s or 5m.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        env = "AGENTIDP_INTERVAL",
        value_parser = duration::parse
    )]
    interval: Duration,
}

/// Longest time until a signal is noticed between two ticks.
const NOTICED_WITHIN: Duration = Duration::from_millis(100);

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the instance cannot be opened, or the one tick that was asked for failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let stop = stop_on_signals(matches!(verb, Verb::Run(_)));
    let idp = home::open(global)?;
    match verb {
        Verb::Tick => {
            let done = idp.tick()?;
            if output.is_json() { output.document(&done) } else { output.text(&lines(&done)) }
        }
        Verb::Run(arguments) => work(&idp, arguments.interval, &stop, output),
    }
}

fn work(idp: &Idp, interval: Duration, stop: &AtomicBool, output: &Output) -> Result<(), Failure> {
    let (mut ticks, mut failures) = (0_u64, 0_u64);
    while !stop.load(Ordering::SeqCst) {
        match idp.tick() {
            Ok(done) => {
                ticks += 1;
                lines(&done).lines().for_each(|line| output.note(line));
                output.detail(&format!("tick {ticks} done"));
            }
            Err(error) => {
                failures += 1;
                let failure = Failure::from(error);
                say(&format!("error: {}\nhint: {}", failure.message(), failure.advice()));
            }
        }
        let begin = Instant::now();
        while begin.elapsed() < interval && !stop.load(Ordering::SeqCst) {
            pause(NOTICED_WITHIN.min(interval));
        }
    }
    output.fields(&Fields::default().with("ticks", ticks).with("failures", failures))
}

/// A line for each thing that was done.
fn lines(done: &Tick) -> String {
    let mut text = String::new();
    for change in &done.keys {
        let _ = writeln!(text, "key {}  {}", change.event.as_str(), change.kid);
    }
    if done.answers_forgotten > 0 {
        let _ = writeln!(text, "answers forgotten         {}", done.answers_forgotten);
    }
    if done.tokens_forgotten > 0 {
        let _ = writeln!(text, "revoked tokens forgotten  {}", done.tokens_forgotten);
    }
    text
}

/// Set by SIGTERM and SIGINT; a second one ends the process as it stands.
fn stop_on_signals(wanted: bool) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    if wanted {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        for signal in [SIGTERM, SIGINT] {
            // Without a handler the signal ends the process, and the next tick goes on from there.
            let _ = flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop));
            let _ = flag::register(signal, Arc::clone(&stop));
        }
    }
    #[cfg(not(unix))]
    let _ = wanted;
    stop
}
