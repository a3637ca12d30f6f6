//! `agentidp openapi`.

use clap::Args;

#[cfg(feature = "server")]
mod print;

#[cfg(not(feature = "server"))]
pub(crate) use super::serve::not_in_this_build as run;
#[cfg(feature = "server")]
pub(crate) use print::run;

/// Whose interface is described.
#[derive(Debug, Args)]
#[command(
    after_help = "What `agentidp serve` serves as /openapi.json. With --issuer no instance is \
needed."
)]
pub(crate) struct Arguments {
    /// The issuer it is written for [default: the instance's].
    #[arg(long, value_name = "URL", env = "AGENTIDP_ISSUER")]
    issuer: Option<String>,
}
