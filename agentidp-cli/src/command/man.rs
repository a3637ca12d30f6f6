//! `agentidp man`.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::{Fields, Output};

/// Where the pages go.
#[derive(Debug, Args)]
#[command(
    after_help = "Read one with: man DIR/agentidp.1. Pages of an earlier version are replaced."
)]
pub(crate) struct Arguments {
    /// Directory for the pages, made if it is not there.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes a page for each command.
///
/// # Errors
/// [`Failure`] when a page cannot be written.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    write(&command, directory, &mut pages)?;
    let fields = Fields::default().with("directory", directory.display().to_string());
    output.fields(&if output.is_json() {
        fields.with("pages", &pages)
    } else {
        fields.with("pages", pages.len())
    })
}

/// The page of a command, and those of the commands below it.
fn write(command: &Command, directory: &Path, pages: &mut Vec<String>) -> Result<(), Failure> {
    let source = concat!("agentidp ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(source).manual("AgentIdP");
    let name = man.get_filename();
    let path = directory.join(&name);
    let mut page = Vec::new();
    man.render(&mut page)
        .and_then(|()| std::fs::write(&path, page))
        .map_err(|error| Failure::file(&path, &error))?;
    pages.push(name);
    command.get_subcommands().try_for_each(|below| write(below, directory, pages))
}
