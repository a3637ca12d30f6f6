//! Reading and verifying an organization's trail.

use crate::audit::{ChainReport, ChainVerifier, StoredEntry, log_origin};
use crate::base::{Cursor, IdError, OrgId, Page, PageRequest};
use crate::canon;
use crate::model::Action;
use crate::store::{StoreError, Tx, audit, orgs};

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
    let from = request.cursor().map_or(Ok(0), |cursor| cursor.as_str().parse::<u64>());
    let from = from.map_err(|_| AuditError::Cursor(IdError))?;
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

/// Verifies the whole trail against itself and its head.
pub(crate) fn verify(acting: &Acting<'_>) -> Result<ChainReport, AuditError> {
    acting.context.store.settle()?;
    let origin = log_origin(&acting.context.issuer, acting.organization);
    acting.read(Action::SeeAudit, |tx| {
        let mut verifier = ChainVerifier::new(&origin);
        orgs::get(tx)?.ok_or(AuditError::NotFound)?;
        // A head that is missing or cannot be read is a finding, not an error.
        let head = audit::head(tx)?;
        push_all(tx, &mut verifier)?;
        let head = head.and_then(|head| Some((head.frontier().ok()?, head.hash)));
        Ok(verifier
            .finish(head.as_ref().map(|(frontier, hash)| (frontier.size(), &**hash, frontier))))
    })
}

fn push_all(tx: &mut dyn Tx, verifier: &mut ChainVerifier) -> Result<(), StoreError> {
    let mut from = 0;
    loop {
        let rows = audit::rows_from(tx, from, ROWS_AT_ONCE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        from = last.seq.saturating_add(1);
        for row in &rows {
            verifier.push(row.seq, &row.event_id, &row.entry, &row.previous_hash, &row.hash);
        }
    }
}

/// The C2SP verifier key of the organization's log.
pub(crate) fn verifier_key(context: &Context, organization: &OrgId) -> Result<String, Fault> {
    let signing = context.signing();
    let name = log_origin(&context.issuer, organization);
    let key = signing.audit().ed25519_bytes().ok_or(Fault::MissingKey("audit"))?;
    Ok(crate::audit::verifier_key(&name, key))
}
