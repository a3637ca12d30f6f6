//! `agentidp org suspend`, `activate` and `delete`.

use agentidp_core::{Idp, Org, OrgId, OrgStatus};
use clap::Args;

use crate::command::confirm::{Confirm, DryRun, would};
use crate::command::refusals;
use crate::failure::Failure;
use crate::output::{Fields, Output, printable};

/// An organization to suspend.
#[derive(Debug, Args)]
pub(crate) struct Suspend {
    /// Its slug or its id.
    #[arg(value_name = "ORG")]
    org: String,
    #[command(flatten)]
    dry_run: DryRun,
}

/// An organization to activate.
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

/// Suspends the organization. `None` when it was only looked at.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(super) fn suspend(
    suspend: &Suspend,
    idp: &Idp,
    output: &Output,
) -> Result<Option<Org>, Failure> {
    let org = idp.find_org(&suspend.org)?;
    if !suspend.dry_run.is_wanted() {
        return Ok(Some(idp.org(&org.id).suspend()?));
    }
    let action = if refusals::changes(&org, OrgStatus::Suspended)? {
        let name = printable(&org.name);
        format!("suspend the organization `{}` ({name}) and end all its tokens", org.slug)
    } else {
        nothing(&org)
    };
    would(&action, Fields::default().with("organizationId", &org.id), output)?;
    Ok(None)
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
    if delete.confirm.is_dry_run() && !refusals::changes(&org, OrgStatus::Deleted)? {
        let details = Fields::default().with("organizationId", &org.id);
        would(&nothing(&org), details, output)?;
        return Ok(None);
    }
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

/// What a deed would do that was done before.
fn nothing(org: &Org) -> String {
    format!("change nothing: the organization `{}` is {} already", org.slug, org.status.as_str())
}
