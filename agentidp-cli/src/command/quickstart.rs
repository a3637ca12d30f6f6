//! `agentidp quickstart`: the main job as a story, really done.

mod directory;
mod run;
mod story;

use std::path::PathBuf;

use clap::Args;

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;

use directory::Directory;
use story::Story;

/// Where the story takes place.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Directory of its own, replaced if it is an earlier quickstart.
    #[arg(long, value_name = "D", default_value = "agentidp-quickstart", env = "AGENTIDP_DIR")]
    dir: PathBuf,
}

/// Runs the main job, and checks each of its results.
///
/// # Errors
/// [`Failure`] when the directory is somebody else's, a step fails, or a check does.
pub(crate) fn run(arguments: &Arguments, global: &Global, output: &Output) -> Result<(), Failure> {
    let directory = Directory::prepare(&arguments.dir)?;
    // Its own home and database, whatever the flags and variables say.
    let global = Global {
        home: Some(directory.home().directory().to_owned()),
        database_url: None,
        kek_passphrase_file: None,
        ..*global
    };
    let mut story = Story::new(output);
    story.title(&format!("The main job of AgentIdP, in {}", directory.shown()))?;
    let outcome = run::main_job(&directory, &global, &mut story)?;
    if output.is_json() {
        return output.document(&outcome.fields());
    }
    story.ending(&directory, &outcome)
}
