//! `agentidp completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::{Fields, Output};

/// Whose script is wanted.
#[derive(Debug, Args)]
#[command(
    after_help = "In bash: source <(agentidp completions bash). In zsh and fish, write the script \
to where they look for completions, such as ~/.config/fish/completions/agentidp.fish."
)]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`Failure`] when standard output does not take it.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "agentidp", &mut script);
    let script = String::from_utf8_lossy(&script);
    if output.is_json() {
        let shell = arguments.shell.to_string();
        return output.document(&Fields::default().with("shell", shell).with("script", script));
    }
    output.text(&script)
}
