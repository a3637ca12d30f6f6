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

/// It costs the same in a large organization as in a small one.
#[test]
fn pages_and_the_credentials_of_an_agent_are_read_by_an_index() {
    let bed = Bed::file();
    let super::Place::File(directory) = &bed.place else { unreachable!() };
    let file = rusqlite::Connection::open(super::engines::file_in(directory.path())).unwrap();
    for (name, index) in [
        ("agents.rs: LIST", "PRIMARY KEY (organization_id=? AND agent_id>?)"),
        (
            "agents.rs: LIST_BY_STATUS",
            "agents_by_status (organization_id=? AND (status,agent_id)>(?,?) AND status<?)",
        ),
        (
            "agents.rs: LIST_BY_OWNER",
            "agents_by_owner (organization_id=? AND (owner,agent_id)>(?,?) AND owner<?)",
        ),
        (
            "agents.rs: LIST_BY_OWNER_AND_STATUS",
            "agents_by_owner (organization_id=? AND (owner,agent_id)>(?,?) AND owner<?)",
        ),
        (
            "credentials.rs: LIST",
            "PRIMARY KEY (organization_id=? AND agent_id=? AND credential_id>?)",
        ),
        ("credentials.rs: LIVE_SECRETS", "PRIMARY KEY (organization_id=? AND agent_id=?)"),
        ("credentials.rs: LIVE_KEY_IDS", "PRIMARY KEY (organization_id=? AND agent_id=?)"),
        ("credentials.rs: REVOKE_ALL", "PRIMARY KEY (organization_id=? AND agent_id=?)"),
        ("credentials.rs: REVOKE", "credentials_by_id (organization_id=? AND credential_id=?)"),
        ("credentials.rs: GET", "credentials_by_id (organization_id=? AND credential_id=?)"),
    ] {
        let statement = statements().into_iter().find(|own| own.name == name).unwrap();
        let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
        let unbound = plan.parameter_count();
        let nothing = vec![rusqlite::types::Null; unbound];
        let nothing = rusqlite::params_from_iter(nothing);
        let steps = plan.query_map(nothing, |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps[0].contains(index), "{name}: {steps:?}");
        let sorts = steps.len() > 1;
        assert_eq!(sorts, name.ends_with("LIVE_SECRETS"), "a handful of rows: {steps:?}");
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
