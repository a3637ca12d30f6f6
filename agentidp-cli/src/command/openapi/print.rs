//! `agentidp openapi`, in a build that has the server.

use agentidp_core::model::Issuer;

use super::Arguments;
use crate::cli::Global;
use crate::failure::Failure;
use crate::home;
use crate::output::Output;

/// Prints the document.
///
/// # Errors
/// [`Failure`] when there is no issuer, or standard output does not take it.
pub(crate) fn run(arguments: &Arguments, global: &Global, output: &Output) -> Result<(), Failure> {
    let issuer = match &arguments.issuer {
        Some(issuer) => Issuer::parse(issuer).map_err(agentidp_core::OrgError::from)?,
        None => home::open(global)?.status().issuer,
    };
    let document = agentidp_http::openapi_document(&issuer);
    if output.is_json() {
        return output.document(&document);
    }
    output.text(&format!("{document:#}\n"))
}
