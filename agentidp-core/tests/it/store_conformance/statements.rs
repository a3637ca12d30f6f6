//! Every SQL constant of the store prepares on both engines.

use std::path::{Path, PathBuf};

use super::engines::Bed;

/// A constant, by its file and name.
pub(super) struct Statement {
    pub(super) name: String,
    pub(super) sql: String,
}

#[test]
fn every_statement_prepares_on_sqlite() {
    let bed = Bed::file();
    let super::Place::File(directory) = &bed.place else { unreachable!() };
    let file = rusqlite::Connection::open(super::engines::file_in(directory.path())).unwrap();
    for Statement { name, sql } in statements() {
        if let Err(error) = file.prepare(&sql) {
            panic!("{name}: {error}");
        }
    }
}

#[cfg(feature = "postgres")]
#[test]
fn every_statement_prepares_on_postgres() {
    let bed = Bed::postgres();
    let super::Place::Server(database) = &bed.place else { unreachable!() };
    let mut session = agentidp_testkit::Session::connect(&database.url());
    for Statement { name, sql } in statements() {
        // None of them has a question mark in a quote; the store's own scanner has its own tests.
        if let Err(error) = session.try_prepare(&sql.replace('?', "$")) {
            panic!("{name}: {error}");
        }
    }
}

/// The constants of type `&str` in `src/store` that begin with a verb of SQL, but for those of one
/// engine alone.
pub(super) fn statements() -> Vec<Statement> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut statements = Vec::new();
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        statements.extend(
            constants(&text)
                .filter(|(_, sql)| is_statement(sql))
                .map(|(name, sql)| Statement { name: format!("{file}: {name}"), sql }),
        );
    }
    assert!(statements.len() >= 10, "found only {}", statements.len());
    statements
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "sqlite" && name != "postgres" {
                found.extend(sources(&path));
            }
        } else if name.ends_with(".rs") && name != "migrate.rs" {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_statement(sql: &str) -> bool {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| sql.starts_with(verb))
}

/// `const NAME: &str = "..";` of a source text, up to its tests.
fn constants(text: &str) -> impl Iterator<Item = (String, String)> {
    let text = text.split("mod tests {").next().unwrap_or_default();
    text.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": &str =")?;
        let literal = rest.trim_start().strip_prefix('"')?;
        let mut sql = String::new();
        let mut chars = literal.chars();
        loop {
            match chars.next()? {
                '"' => break Some((name.to_owned(), sql)),
                '\\' => match chars.next()? {
                    // A line that goes on: the next one's indentation is no part of it.
                    '\n' => chars = chars.as_str().trim_start().chars(),
                    escaped => sql.push(escaped),
                },
                char => sql.push(char),
            }
        }
    })
}

#[test]
fn the_scanner_reads_constants() {
    let text = "const A: &str = \"SELECT \\\n    1\";\npub(crate) const B: &str =\n    \"x\\\"y\";\nconst C: u8 = 1;";
    let found: Vec<_> = constants(text).collect();
    assert_eq!(found, [("A".into(), "SELECT 1".into()), ("B".into(), "x\"y".to_owned())]);
}
