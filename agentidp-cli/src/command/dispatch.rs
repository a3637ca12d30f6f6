//! Which command runs.

use crate::cli::{Command, Global};
use crate::failure::Failure;
use crate::output::Output;

use super::{
    agent, audit, completions, credential, db, doctor, init, key, man, openapi, org, quickstart,
    serve, token, worker,
};

/// Runs a command.
///
/// # Errors
/// [`Failure`] when it was refused or failed, or when what it checked is not valid.
pub(crate) fn run(command: &Command, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Quickstart(arguments) => quickstart::run(arguments, global, output),
        Command::Init(arguments) => init::run(arguments, global, output),
        Command::Org(verb) => org::run(verb, global, output),
        Command::Agent(verb) => agent::run(verb, global, output),
        Command::Credential(verb) => credential::run(verb, global, output),
        Command::Token(verb) => token::run(verb, global, output),
        Command::Key(verb) => key::run(verb, global, output),
        Command::Audit(verb) => audit::run(verb, global, output),
        Command::Db(verb) => db::run(verb, global, output),
        Command::Serve(arguments) => serve::run(arguments, global, output),
        Command::Openapi(arguments) => openapi::run(arguments, global, output),
        Command::Worker(verb) => worker::run(verb, global, output),
        Command::Doctor(arguments) => doctor::run(arguments, global, output),
        Command::Completions(arguments) => completions::run(arguments, output),
        Command::Man(arguments) => man::run(arguments, output),
    }
}
