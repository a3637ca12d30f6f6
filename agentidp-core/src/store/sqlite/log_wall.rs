//! The part of the third wall that is no trigger: what an organization's own statements put into the log.

use rusqlite::Connection;
use rusqlite::hooks::Action;

use crate::base::OrgId;
use crate::store::{Scope, StoreError};

use super::connection::ScopeCell;
use super::failure;

/// The log, which every token adds a row to. Of a table with triggers SQLite gathers the rows of an `INSERT` in
/// another table first, which it opens anew for each statement, and runs a program for each row. So no trigger
/// looks at new rows of this one: those of an organization's own statement are noted, and looked at when the
/// member that put them there ends. What is refused is the same.
pub(super) const ENTRIES: &str = "audit_logs";

/// Notes what is put into the log by any scope but the instance.
pub(super) fn watch(connection: &mut Connection, scope: &ScopeCell) -> Result<(), StoreError> {
    let scope = scope.clone();
    let note = move |action: Action, _: &str, table: &str, row: i64| {
        if action == Action::SQLITE_INSERT && table == ENTRIES {
            scope.note_entry(row);
        }
    };
    connection.update_hook(Some(note)).map_err(|error| failure::opening(&error))
}

/// Why what a member put into the log by a statement of its own may not stay there: the part of the third
/// wall that is no trigger.
pub(super) fn refuses(connection: &Connection, scope: &Scope, rows: &[i64]) -> Option<StoreError> {
    let Scope::Org(own) = scope else { return None };
    rows.iter().find_map(|row| match is_entry_of(connection, own, *row) {
        Ok(true) => None,
        Ok(false) => Some(StoreError::TenantWall),
        Err(error) => Some(error),
    })
}

/// An entry of an organization, in its own log.
const OWN: &str = "SELECT 1 FROM audit_logs l
    WHERE l.rowid = ?2 AND l.organization_id = ?1
        AND l.log_number = (SELECT h.log_number FROM audit_heads h WHERE h.organization_id = ?1)";

/// Whether the entry in that row of the log is one of `organization`.
fn is_entry_of(
    connection: &Connection,
    organization: &OrgId,
    row: i64,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached(OWN)
        .and_then(|mut own| own.exists(rusqlite::params![organization.as_str(), row]))
        .map_err(|error| failure::failing(&error))
}
