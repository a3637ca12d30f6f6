//! What can go wrong between us and a database, in terms that both engines share.

use crate::error::ErrorCode;

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database cannot be opened or reached.
    #[error("database not available: {0}")]
    Unavailable(String),
    /// Another process held the database for too long.
    #[error("database busy: another process held it for too long")]
    Busy,
    /// The database refused or failed: full, read-only, damaged, a broken connection.
    #[error("database failed: {0}")]
    Failed(String),
    /// The connection broke while a commit was under way: it may or may not have happened.
    #[error("the connection broke during the commit, so its outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// A constraint of the schema refused a row.
    #[error("a constraint refused the row: {0}")]
    Constraint(String),
    /// A tenant wall stopped a statement.
    #[error("a statement reached for a row outside its organization")]
    TenantWall,
    /// A stored value is not what we wrote.
    #[error("column {column} of a row cannot be read")]
    Unreadable {
        /// The column, counted from 0.
        column: usize,
    },
    /// A stored audit log does not continue from its head.
    #[error("the head of an audit log cannot be read")]
    BrokenHead,
    /// The schema has a migration that this program does not know.
    #[error("the schema is at version {found}, and this program knows {known}")]
    SchemaNewer {
        /// The version found.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The schema lacks a migration.
    #[error("the schema is at version {found}, and this program needs {known}")]
    SchemaOutdated {
        /// The version found.
        found: i64,
        /// The version needed.
        known: i64,
    },
    /// The database holds tables that are not ours.
    #[error("the database holds the tables of another program")]
    NotOurs,
    /// A migration that was applied is not the one this program carries.
    #[error("migration {version} is not the one that this database was made with")]
    SchemaChanged {
        /// The migration's version.
        version: i64,
    },
    /// The role could read around row level security.
    #[error(
        "the database role `{role}` is a superuser or has BYPASSRLS, so row security does not bind it"
    )]
    RoleTooStrong {
        /// The role's name.
        role: String,
    },
    /// A fault that a test asked for.
    #[error("injected fault")]
    Injected,
    /// The store returned without having run the transaction.
    #[error("the transaction was not run")]
    NotRun,
}

impl StoreError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            StoreError::Unavailable(_) => ErrorCode::DatabaseUnavailable,
            StoreError::Busy => ErrorCode::DatabaseBusy,
            StoreError::Failed(_) | StoreError::Injected => ErrorCode::DatabaseFailed,
            StoreError::OutcomeUnknown(_) => ErrorCode::OutcomeUnknown,
            StoreError::TenantWall => ErrorCode::TenantWall,
            StoreError::SchemaNewer { .. } | StoreError::SchemaChanged { .. } => {
                ErrorCode::SchemaMismatch
            }
            StoreError::NotOurs => ErrorCode::DatabaseForeign,
            StoreError::SchemaOutdated { .. } => ErrorCode::SchemaOutdated,
            StoreError::RoleTooStrong { .. } => ErrorCode::RoleTooStrong,
            StoreError::BrokenHead => ErrorCode::AuditBroken,
            StoreError::Constraint(_) | StoreError::Unreadable { .. } | StoreError::NotRun => {
                ErrorCode::Internal
            }
        }
    }
}
