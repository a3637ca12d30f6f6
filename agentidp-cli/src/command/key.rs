//! `agentidp key`.

use clap::Subcommand;

use crate::cli::Global;
use crate::failure::Failure;
use crate::home;
use crate::output::Output;

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the public keys of this instance's tokens as a JWK set.
    Jwks,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let Verb::Jwks = verb;
    let idp = home::open(global)?;
    // A key set is JSON whoever reads it.
    output.text(&format!("{}\n", idp.jwks().to_json()))
}
