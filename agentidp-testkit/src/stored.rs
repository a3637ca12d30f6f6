//! What a database holds, seen past every wall.

use std::path::Path;

#[cfg(feature = "postgres")]
use crate::{Session, TestDatabase};

/// A database that can be looked into from outside. One in memory cannot.
pub(crate) enum Stored<'a> {
    /// A SQLite file.
    File(&'a Path),
    /// A database on a PostgreSQL server.
    #[cfg(feature = "postgres")]
    Server(&'a TestDatabase),
}

impl Stored<'_> {
    /// The places where one of `secrets` lies in plain text. A file is searched byte by byte, which
    /// finds what was deleted as well; of a server, every column of text or bytes.
    pub(crate) fn plain_secrets(&self, secrets: &[String]) -> Vec<String> {
        match self {
            Stored::File(path) => [path.to_path_buf(), path.with_extension("db-wal")]
                .into_iter()
                .filter(|path| {
                    let bytes = std::fs::read(path).unwrap_or_default();
                    secrets.iter().any(|secret| holds(&bytes, secret.as_bytes()))
                })
                .map(|path| path.display().to_string())
                .collect(),
            #[cfg(feature = "postgres")]
            Stored::Server(database) => {
                let mut session = Session::connect(&database.superuser_url());
                let columns = session.run(SERVER_COLUMNS);
                let searches: Vec<String> =
                    columns.iter().filter_map(|column| search(column, secrets)).collect();
                if secrets.is_empty() {
                    return Vec::new();
                }
                firsts(session.run(&searches.join(" UNION ALL ")))
            }
        }
    }

    /// The tenant tables that hold rows of an organization that does not exist.
    pub(crate) fn tables_with_orphans(&self) -> Vec<String> {
        match self {
            Stored::File(path) => {
                let file = rusqlite::Connection::open(path).expect("the database");
                let rows = |sql: &str| {
                    let mut statement = file.prepare(sql).expect("a statement");
                    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
                    rows.collect::<Result<Vec<String>, _>>().expect("rows")
                };
                rows(&orphans(&rows(FILE_TENANT_TABLES)))
            }
            #[cfg(feature = "postgres")]
            Stored::Server(database) => {
                let mut session = Session::connect(&database.superuser_url());
                let tables = firsts(session.run(SERVER_TENANT_TABLES));
                firsts(session.run(&orphans(&tables)))
            }
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A statement that answers those of `tables` that hold rows of nobody.
fn orphans(tables: &[String]) -> String {
    assert!(tables.len() > 10, "found only {tables:?}");
    let of = |table: &String| {
        format!(
            "SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table} t WHERE NOT EXISTS
                (SELECT 1 FROM organizations o WHERE o.organization_id = t.organization_id))"
        )
    };
    tables.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ")
}

const FILE_TENANT_TABLES: &str = "SELECT m.name FROM sqlite_schema m
    JOIN pragma_table_info(m.name) c ON c.name = 'organization_id' WHERE m.type = 'table'";

#[cfg(feature = "postgres")]
const SERVER_TENANT_TABLES: &str = "SELECT table_name::text FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'organization_id'";

#[cfg(feature = "postgres")]
const SERVER_COLUMNS: &str = "SELECT table_name::text, column_name::text, data_type::text
    FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type IN ('text', 'bytea')";

/// A statement that answers the column's name if one of `secrets` is in it.
#[cfg(feature = "postgres")]
fn search(column: &[Option<String>], secrets: &[String]) -> Option<String> {
    let [Some(table), Some(name), Some(kind)] = column else { return None };
    let found = |secret: &String| match kind.as_str() {
        "text" => format!("strpos({name}, '{}') > 0", secret.replace('\'', "''")),
        _ => {
            let digits: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("position('\\x{digits}'::bytea IN {name}) > 0")
        }
    };
    let found = secrets.iter().map(found).collect::<Vec<_>>().join(" OR ");
    Some(format!("SELECT '{table}.{name}' WHERE EXISTS (SELECT 1 FROM {table} WHERE {found})"))
}

#[cfg(feature = "postgres")]
fn firsts(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}
