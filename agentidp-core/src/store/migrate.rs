//! The schema's history: numbered scripts, written once for each engine, each applied once.
//!
//! A database that has a migration we do not know, or one that is not the one we carry, is refused:
//! running on it could do harm that no backup tells of.

use sha2::{Digest, Sha256};

use super::StoreError;

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

impl Migration {
    /// What the script's text is known by.
    pub(super) fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// What to do with a schema that lacks something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Apply it.
    Apply,
    /// Refuse to use it.
    Check,
}

/// How a database's schema compares with the one that this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// The last migration applied; 0 where there is none.
    pub found: i64,
    /// The newest migration this program knows.
    pub known: i64,
    /// Why this program would refuse to use it as it is.
    pub refusal: Option<StoreError>,
}

impl SchemaState {
    /// Compares without refusing.
    pub(super) fn of(known: &'static [Migration], applied: &[(i64, Vec<u8>)]) -> SchemaState {
        SchemaState {
            found: applied.last().map_or(0, |(version, _)| *version),
            known: known.last().map_or(0, |migration| migration.version),
            refusal: plan(known, applied, Mode::Check).err(),
        }
    }
}

#[cfg(feature = "sqlite")]
pub(super) const SQLITE: &[Migration] = &[
    Migration {
        version: 1,
        name: "skeleton",
        sql: include_str!("../../migrations/sqlite/0001_skeleton.sql"),
    },
    Migration {
        version: 2,
        name: "idempotency",
        sql: include_str!("../../migrations/sqlite/0002_idempotency.sql"),
    },
    Migration {
        version: 3,
        name: "entries_beyond_the_head",
        sql: include_str!("../../migrations/sqlite/0003_entries_beyond_the_head.sql"),
    },
    Migration {
        version: 4,
        name: "logs_by_number",
        sql: include_str!("../../migrations/sqlite/0004_logs_by_number.sql"),
    },
];

#[cfg(feature = "postgres")]
pub(super) const POSTGRES: &[Migration] = &[
    Migration {
        version: 1,
        name: "skeleton",
        sql: include_str!("../../migrations/postgres/0001_skeleton.sql"),
    },
    Migration {
        version: 2,
        name: "idempotency",
        sql: include_str!("../../migrations/postgres/0002_idempotency.sql"),
    },
    Migration {
        version: 3,
        name: "entries_beyond_the_head",
        sql: include_str!("../../migrations/postgres/0003_entries_beyond_the_head.sql"),
    },
    Migration {
        version: 4,
        name: "logs_by_number",
        sql: include_str!("../../migrations/postgres/0004_logs_by_number.sql"),
    },
];

/// The newest migration that this program knows. The engines' scripts go by the same numbers.
pub(super) fn newest() -> i64 {
    #[cfg(feature = "sqlite")]
    let known = SQLITE;
    #[cfg(not(feature = "sqlite"))]
    let known = POSTGRES;
    known.last().map_or(0, |migration| migration.version)
}

#[cfg(feature = "sqlite")]
pub(super) const SQLITE_BOOKKEEPING: &str = "CREATE TABLE schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT";

#[cfg(feature = "postgres")]
pub(super) const POSTGRES_BOOKKEEPING: &str = "CREATE TABLE schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum BYTEA NOT NULL)";

/// Which of the `known` migrations a database with those `applied` still needs, oldest first.
pub(super) fn plan(
    known: &'static [Migration],
    applied: &[(i64, Vec<u8>)],
    mode: Mode,
) -> Result<&'static [Migration], StoreError> {
    let newest = known.last().map_or(0, |migration| migration.version);
    for (at, (version, checksum)) in applied.iter().enumerate() {
        let Some(migration) = known.get(at) else {
            return Err(StoreError::SchemaNewer { found: *version, known: newest });
        };
        if migration.version != *version || migration.checksum().as_slice() != checksum {
            return Err(StoreError::SchemaChanged { version: *version });
        }
    }
    let missing = known.get(applied.len()..).unwrap_or_default();
    if mode == Mode::Check && !missing.is_empty() {
        let found = applied.last().map_or(0, |(version, _)| *version);
        return Err(StoreError::SchemaOutdated { found, known: newest });
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration { version: 1, name: "one", sql: "CREATE" },
        Migration { version: 2, name: "two", sql: "ALTER" },
    ];

    fn applied(migrations: &[Migration]) -> Vec<(i64, Vec<u8>)> {
        migrations.iter().map(|m| (m.version, m.checksum().to_vec())).collect()
    }

    #[test]
    fn what_is_missing_is_applied_in_order() {
        assert_eq!(plan(KNOWN, &[], Mode::Apply).unwrap().len(), 2);
        assert_eq!(plan(KNOWN, &applied(&KNOWN[..1]), Mode::Apply).unwrap()[0].version, 2);
        assert!(plan(KNOWN, &applied(KNOWN), Mode::Check).unwrap().is_empty());
    }

    #[test]
    fn a_newer_changed_or_outdated_schema_is_refused() {
        let newer = [applied(KNOWN), vec![(3, vec![0; 32])]].concat();
        assert_eq!(
            plan(KNOWN, &newer, Mode::Apply).unwrap_err(),
            StoreError::SchemaNewer { found: 3, known: 2 }
        );
        let mut changed = applied(KNOWN);
        changed[0].1[0] ^= 1;
        assert_eq!(
            plan(KNOWN, &changed, Mode::Apply).unwrap_err(),
            StoreError::SchemaChanged { version: 1 }
        );
        assert_eq!(
            plan(KNOWN, &applied(&KNOWN[..1]), Mode::Check).unwrap_err(),
            StoreError::SchemaOutdated { found: 1, known: 2 }
        );
        let state = SchemaState::of(KNOWN, &newer);
        assert_eq!((state.found, state.known), (3, 2));
        assert_eq!(state.refusal, Some(StoreError::SchemaNewer { found: 3, known: 2 }));
        assert_eq!(SchemaState::of(KNOWN, &applied(KNOWN)).refusal, None);
    }
}
