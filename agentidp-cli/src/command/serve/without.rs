//! Commands of the server, in a build without it.

use agentidp_core::ErrorCode;

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;

/// Says how to get what is not in this build.
///
/// # Errors
/// Always.
pub(crate) fn not_in_this_build<A>(_: &A, _: &Global, _: &Output) -> Result<(), Failure> {
    let message = "this agentidp was built without the server";
    Err(Failure::new(ErrorCode::ConfigInvalid, message)
        .hint("build it with: cargo install agentidp-cli --features server"))
}
