//! What is true of a SQLite file alone.

use agentidp_core::store::{SqliteStore, StoreError};

#[test]
fn the_file_of_another_program_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err(), StoreError::NotOurs);
    drop(SqliteStore::open_as_it_is(&path).unwrap());
    // Not a byte, also not the mark of another kind of journal.
    assert!(std::fs::read(&path).unwrap() == before);
    let tables: i64 =
        other.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[cfg(unix)]
#[test]
fn a_new_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.db");
    let _store = SqliteStore::open(&path).unwrap();
    for file in [path.clone(), path.with_extension("db-wal")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", file.display());
    }
}
