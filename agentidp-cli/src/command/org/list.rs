//! `agentidp org list`.

use agentidp_core::{Idp, Org};
use clap::Args;

use crate::command::{PageFlags, page_flags};
use crate::failure::Failure;
use crate::output::{Output, printable};

/// A page of the organizations.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    page: PageFlags,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn run(list: &List, idp: &Idp, output: &Output) -> Result<(), Failure> {
    page_flags::show(&idp.list_orgs(&list.page.request())?, line, output)
}

/// An organization on a line.
fn line(org: &Org) -> String {
    let (id, status, plan) = (org.id.as_str(), org.status.as_str(), org.plan_tier.as_str());
    format!("{id:36}  {status:9}  {plan:10}  {:20}  {}\n", org.slug.as_str(), printable(&org.name))
}
