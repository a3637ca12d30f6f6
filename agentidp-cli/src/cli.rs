//! The arguments, and nothing about what they do.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::command;
use crate::failure::Failure;
use crate::output::{Output, say};
use crate::status;

/// The identity provider for AI agents.
#[derive(Debug, Parser)]
#[command(name = "agentidp", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command. A flag wins over its variable, that over config.toml.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Directory of the instance [default: $XDG_DATA_HOME/agentidp or ~/.local/share/agentidp].
    #[arg(long, global = true, value_name = "DIR", env = "AGENTIDP_HOME")]
    pub(crate) home: Option<PathBuf>,
    /// Database: sqlite:PATH or postgres://.. [default: the one in config.toml].
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AGENTIDP_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<String>,
    /// File with the passphrase, `-` for standard input; else AGENTIDP_KEK_PASSPHRASE is read.
    #[arg(long, global = true, value_name = "PATH", env = "AGENTIDP_KEK_PASSPHRASE_FILE")]
    pub(crate) kek_passphrase_file: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long, global = true, env = "AGENTIDP_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Say nothing but errors on stderr.
    #[arg(long, short, global = true, env = "AGENTIDP_QUIET", value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// Say more on stderr; `-q` wins.
    #[arg(long, short, global = true, env = "AGENTIDP_VERBOSE", value_parser = FalseyValueParser::new())]
    pub(crate) verbose: bool,
}

/// The commands, by their nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole main job in a directory of its own, step by step.
    Quickstart(command::quickstart::Arguments),
    /// Make a new instance: home, database, keys, the system organization.
    Init(command::init::Arguments),
    /// Organizations: the tenants.
    #[command(subcommand)]
    Org(command::org::Verb),
    /// Agents of an organization.
    #[command(subcommand)]
    Agent(command::agent::Verb),
    /// Credentials of agents: client secrets and public keys.
    #[command(subcommand)]
    Credential(command::credential::Verb),
    /// Access tokens.
    #[command(subcommand)]
    Token(command::token::Verb),
    /// Keys of the instance.
    #[command(subcommand)]
    Key(command::key::Verb),
    /// The audit trail.
    #[command(subcommand)]
    Audit(command::audit::Verb),
    /// The database.
    #[command(subcommand)]
    Db(command::db::Verb),
    /// Serve OAuth 2.0, OpenID Connect and the REST API over HTTP.
    Serve(command::serve::Arguments),
    /// Print the description of what is served (OpenAPI 3.1).
    Openapi(command::openapi::Arguments),
    /// Background work: keys that turn, entries that get their numbers.
    #[command(subcommand)]
    Worker(command::worker::Verb),
    /// Look for what is wrong with an instance, also where other commands refuse to open it.
    Doctor(command::doctor::Arguments),
    /// Print a script that completes commands in a shell.
    Completions(command::completions::Arguments),
    /// Write manual pages, one for each command.
    Man(command::man::Arguments),
}

/// Reads the command line. What ends here (help, version, a wrong usage) has been shown.
///
/// # Errors
/// The exit code of a process that has nothing more to do.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        let text = error.render().to_string();
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            let output = Output::bare(false);
            return status::of(output.text(&text), &output);
        }
        say(text.replace("For more information, try '--help'.", "hint: try --help").trim_end());
        if wants_json() {
            let failure = Failure::usage(message(&text)).hint("try --help");
            let _ = Output::bare(true).document(&failure.document());
        }
        ExitCode::from(2)
    })
}

/// What is wrong, without the usage that follows.
fn message(text: &str) -> String {
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let message = lines.collect::<Vec<_>>().join(" ");
    message.trim_start_matches("error: ").to_owned()
}

/// Whether `--json` was asked for on a command line that could not be read.
fn wants_json() -> bool {
    let truthy = |value: String| {
        !matches!(value.to_lowercase().as_str(), "" | "0" | "n" | "no" | "f" | "false" | "off")
    };
    std::env::args_os().any(|argument| argument == "--json")
        || std::env::var("AGENTIDP_JSON").is_ok_and(truthy)
}
