//! Reading and verifying an organization's trail.

use crate::audit::{ChainReport, ChainVerifier, LogHead, StoredEntry, log_origin};
use crate::base::{Cursor, IdError, OrgId, Page, PageRequest, Timestamp};
use crate::canon;
use crate::model::{Action, Issuer};
use crate::store::{Scope, Store, StoreError, Tx, audit, orgs};

use super::acting::Acting;
use super::context::Context;
use super::error::{AuditError, Fault};

/// Rows of a log that are read at a time.
const ROWS_AT_ONCE: usize = 1000;

/// A page of the trail, in its order.
pub(crate) fn list(
    acting: &Acting<'_>,
    request: &PageRequest,
) -> Result<Page<StoredEntry>, AuditError> {
    let from = first_of(request)?;
    acting.ask::<AuditError>(Action::SeeAudit)?;
    acting.context.store.settle()?;
    let items = request.items();
    let rows = acting.read::<_, AuditError>(Action::SeeAudit, |tx| {
        orgs::get(tx)?.ok_or(AuditError::NotFound)?;
        Ok(audit::rows_from(tx, from, items + 1)?)
    })?;
    let next_cursor = rows.get(items).map(|row| Cursor::new(row.seq.to_string()));
    let entries = rows.iter().take(items).map(|row| canon::from_stored(&row.entry));
    Ok(Page { items: entries.collect::<Result<_, _>>()?, next_cursor })
}

/// The number of the first entry of that page.
pub(crate) fn first_of(request: &PageRequest) -> Result<u64, IdError> {
    let Some(cursor) = request.cursor() else { return Ok(0) };
    let digits = cursor.as_str();
    // `parse` would take `+7` as well.
    if digits.len() > 18 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(IdError);
    }
    digits.parse().map_err(|_| IdError)
}

/// Verifies the whole trail against itself and its head. `progress` is told now and then how many
/// entries are done.
pub(crate) fn verify(
    acting: &Acting<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<ChainReport, AuditError> {
    let Acting { context, organization, .. } = *acting;
    acting.ask::<AuditError>(Action::SeeAudit)?;
    context.store.settle()?;
    Ok(verify_numbered(&*context.store, &context.issuer, organization, progress)?.0)
}

/// Verifies the entries that have their numbers, and tells when the last of them was written.
pub(super) fn verify_numbered(
    store: &dyn Store,
    issuer: &Issuer,
    organization: &OrgId,
    progress: &mut dyn FnMut(u64),
) -> Result<(ChainReport, Option<Timestamp>), AuditError> {
    let scope = Scope::Org(organization.clone());
    let origin = log_origin(issuer, organization);
    store.read(&scope, |tx| {
        orgs::get(tx)?.ok_or(AuditError::NotFound)?;
        // A head that is missing or cannot be read is a finding, not an error.
        let head = audit::head(tx)?;
        let head = head
            .and_then(|head| Some(LogHead { frontier: head.frontier().ok()?, hash: head.hash }));
        let mut verifier = ChainVerifier::new(&origin, head);
        let newest = push_all(tx, &mut verifier, progress)?;
        Ok((verifier.finish(), newest))
    })
}

/// Hands over all rows, and tells when the last was written, where it can be read.
fn push_all(
    tx: &mut dyn Tx,
    verifier: &mut ChainVerifier,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Timestamp>, StoreError> {
    let (mut from, mut newest, mut done) = (0, None, 0);
    loop {
        let rows = audit::rows_from(tx, from, ROWS_AT_ONCE)?;
        let Some(last) = rows.last() else { return Ok(newest) };
        from = last.seq.saturating_add(1);
        newest = canon::from_stored::<StoredEntry>(&last.entry).ok().map(|entry| entry.time);
        for row in &rows {
            verifier.push(row.seq, &row.event_id, &row.entry, &row.previous_hash, &row.hash);
        }
        done += rows.len() as u64;
        progress(done);
    }
}

/// The C2SP verifier key of the organization's log.
pub(crate) fn verifier_key(context: &Context, organization: &OrgId) -> Result<String, Fault> {
    let signing = context.signing();
    let name = log_origin(&context.issuer, organization);
    let key = signing.audit().ed25519_bytes().ok_or(Fault::MissingKey("audit"))?;
    Ok(crate::audit::verifier_key(&name, key))
}
