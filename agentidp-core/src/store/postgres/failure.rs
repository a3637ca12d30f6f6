//! PostgreSQL's failures in the store's terms.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::StoreError;

/// A failure, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// The database asks to run the whole transaction again.
    pub(super) again: bool,
    /// The connection cannot be used any more, or must not be.
    pub(super) broken: bool,
    /// The server did not answer, so what was asked for may or may not have happened.
    pub(super) unanswered: bool,
}

impl Failure {
    /// A failure after which the connection is as good as before.
    pub(super) fn of(error: StoreError) -> Failure {
        Failure { error, again: false, broken: false, unanswered: false }
    }

    /// The connection is gone, or silent.
    pub(super) fn lost(detail: impl Into<String>) -> Failure {
        let error = StoreError::Failed(detail.into());
        Failure { error, again: false, broken: true, unanswered: true }
    }

    /// The failure of a statement.
    pub(super) fn running(error: &sqlx::Error) -> Failure {
        match database_error(error) {
            Some(error) => answered(error),
            None => Failure::lost(error.to_string()),
        }
    }

    /// The failure of a commit: where no plain refusal came back, it may have happened.
    pub(super) fn committing(self) -> Failure {
        let error = match self.error {
            StoreError::Failed(detail) | StoreError::Unavailable(detail) if self.unanswered => {
                StoreError::OutcomeUnknown(detail)
            }
            error => error,
        };
        Failure { error, ..self }
    }

    /// The failure to open a connection or to begin: nothing was asked of the database yet.
    pub(super) fn opening(self) -> Failure {
        let error = match self.error {
            StoreError::Failed(detail) => StoreError::Unavailable(detail),
            error => error,
        };
        Failure { error, ..self }
    }
}

fn database_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    match error {
        sqlx::Error::Database(error) => error.try_downcast_ref::<PgDatabaseError>(),
        _ => None,
    }
}

/// The function of the server that refuses a row by its policy. Unlike the message it is never
/// translated.
const ROW_SECURITY_ROUTINE: &str = "ExecWithCheckOptions";

fn answered(error: &PgDatabaseError) -> Failure {
    let text = || error.message().to_owned();
    let row_security = || {
        error.routine() == Some(ROW_SECURITY_ROUTINE)
            || error.message().contains("row-level security")
    };
    // Fatal errors end the connection, after a commit perhaps: `terminating connection due to
    // administrator command` comes in place of an answer.
    let fatal = matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
    let (error_, again) = match error.code() {
        "40001" | "40P01" => (StoreError::Busy, true),
        // A lock or a statement took longer than the connection's settings grant.
        "55P03" | "57014" => (StoreError::Busy, false),
        "42501" if row_security() => (StoreError::TenantWall, false),
        // P0001 is what a trigger of ours raises, as SQLite's RAISE is a constraint's failure.
        "P0001" => (StoreError::Constraint(text()), false),
        "53100" => (StoreError::Failed("the disk is full".to_owned()), false),
        "25006" => (StoreError::Failed("the database is read-only".to_owned()), false),
        code if code.starts_with("23") => (StoreError::Constraint(text()), false),
        code if fatal || code.starts_with("08") => (StoreError::Unavailable(text()), false),
        _ => (StoreError::Failed(text()), false),
    };
    // A cached plan that no longer fits, or is gone, stays so on this connection.
    let stale = matches!(error.code(), "0A000" | "26000");
    Failure { error: error_, again, broken: fatal || stale, unanswered: fatal }
}
