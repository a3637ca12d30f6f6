//! `agentidp`: the identity provider for AI agents, on the command line.
//!
//! Thin: each command reads its arguments, calls the library, and shows what that answered.

mod cli;
mod code;
mod command;
mod database_url;
mod failure;
mod files;
mod home;
mod init;
mod output;
mod status;

use std::process::ExitCode;

/// A request is read in one thread, its token recorded by another and let go of there: docs/adr/0026.
#[cfg(all(unix, feature = "server"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    status::survive_file_size_limit();
    let arguments = match cli::parse() {
        Ok(arguments) => arguments,
        Err(ended) => return ended,
    };
    let output = output::Output::new(&arguments.global);
    let result = command::run(&arguments.command, &arguments.global, &output);
    status::of(result, &output)
}
