//! `agentidp org suspend`, `activate` and `delete`.

use agentidp_core::{Idp, Org, OrgId, OrgStatus};
use clap::Args;

use crate::command::confirm::Confirm;
use crate::failure::Failure;
use crate::output::{Fields, Output, printable};

/// An organization to suspend or activate.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its slug or its id.
    #[arg(value_name = "ORG")]
    org: String,
}

/// An organization to delete.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Its slug or its id.
    #[arg(value_name = "ORG")]
    org: String,
    #[command(flatten)]
    confirm: Confirm,
}

/// Suspends the organization.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn suspend(named: &Named, idp: &Idp) -> Result<Org, Failure> {
    Ok(idp.org(&idp.find_org(&named.org)?.id).suspend()?)
}

/// Activates the organization.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn activate(named: &Named, idp: &Idp) -> Result<Org, Failure> {
    Ok(idp.org(&idp.find_org(&named.org)?.id).activate()?)
}

/// Deletes the organization, if the person means it. `None` when it was only looked at.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn delete(delete: &Delete, idp: &Idp, output: &Output) -> Result<Option<Org>, Failure> {
    let org = idp.find_org(&delete.org)?;
    let handle = idp.org(&org.id);
    // What was deleted before, or never can be, is not asked about.
    if org.status == OrgStatus::Deleted || org.id == OrgId::system() {
        return Ok(Some(handle.delete()?));
    }
    let ends = handle.footprint()?;
    let action = format!(
        "delete the organization `{}` ({}) for good: agents {}, credentials {}, tokens of this month {}",
        org.slug,
        printable(&org.name),
        ends.agents,
        ends.credentials,
        ends.tokens_this_month
    );
    let details = Fields::default()
        .with("organizationId", &org.id)
        .with("agents", ends.agents)
        .with("credentials", ends.credentials)
        .with("tokensThisMonth", ends.tokens_this_month);
    if !delete.confirm.given_with(&action, details, output)? {
        return Ok(None);
    }
    Ok(Some(handle.delete()?))
}
