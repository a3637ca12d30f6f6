//! SQLite's failures in the store's terms.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// The message of the wall triggers, by which their refusal is known.
pub(super) const WALL: &str = "row outside its organization";

/// A failure to open or prepare a connection.
pub(super) fn opening(error: &rusqlite::Error) -> StoreError {
    match failing(error) {
        StoreError::Failed(detail) => StoreError::Unavailable(detail),
        other => other,
    }
}

/// A failure of COMMIT. Where the last fsync failed, the commit may be found in the file after a
/// crash and may not: nobody can say.
pub(super) fn committing(error: &rusqlite::Error) -> StoreError {
    let code = error.sqlite_error().map(|error| error.extended_code);
    if code == Some(rusqlite::ffi::SQLITE_IOERR_FSYNC) {
        return StoreError::OutcomeUnknown(error.to_string());
    }
    failing(error)
}

/// A failure of a statement.
pub(super) fn failing(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    if text.contains(WALL) {
        return StoreError::TenantWall;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::ConstraintViolation) => StoreError::Constraint(text),
        Some(ErrorCode::DiskFull) => StoreError::Failed("the disk is full".to_owned()),
        Some(ErrorCode::ReadOnly) => StoreError::Failed("the database is read-only".to_owned()),
        Some(ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::PermissionDenied) => {
            StoreError::Unavailable(text)
        }
        _ => StoreError::Failed(text),
    }
}
