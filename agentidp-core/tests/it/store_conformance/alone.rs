//! Whether a statement tells or changes anything of another organization, by its text alone: the walls of
//! the engine, the keys of the schema and the reader's comparison are out of the way.
//!
//! Two databases have the same rows of one organization. In one of them another organization has rows that
//! differ in nothing but their owner and the number of its log. Whatever the first one asks, with values that hit those rows, the
//! answers and what is left must be the same in both.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::engines::{Bed, Place, file_in};
use super::statements::{Statement, statements};

const OWN: &str = "own";
const OTHER: &str = "other";
/// What the columns of three rows have: the text of most, and of those that statements compare with a
/// word of their own.
const ROWS: [(&str, &[(&str, &str)]); 3] = [
    (
        "x",
        &[
            ("status", "active"),
            ("state", "current"),
            ("custody", "custodial"),
            ("kind", "secret"),
            ("role", "owner"),
        ],
    ),
    (
        "y",
        &[
            ("status", "deleted"),
            ("state", "retired"),
            ("custody", "held_by_agent"),
            ("kind", "public_key"),
            ("role", "admin"),
        ],
    ),
    (
        "z",
        &[
            ("status", "active"),
            ("state", "current"),
            ("custody", "held_by_agent"),
            ("kind", "public_key"),
            ("role", "member"),
        ],
    ),
];
/// What columns of one table have in every row.
const IN_TABLE: [(&str, &str); 5] = [
    ("agents.version", "6"),
    ("idempotency_keys.state", "running"),
    ("organizations.agents_live", "4"),
    ("organizations.version", "6"),
    ("subscriptions.active", "1"),
];
/// Statements that take texts, or texts and bytes, of more than one kind at once, or a row that is not there.
const IDLE: [&str; 5] = [
    "agent_keys.rs: INSERT",
    "agents.rs: LIST_BY_OWNER_AND_STATUS",
    "audit.rs: OPEN_LOG",
    "credentials.rs: INSERT_SECRET",
    "orgs.rs: IS_DELETED",
];
/// Texts of parameters: one for each row, one that no row has, and a word of some.
const TEXTS: [&str; 5] = ["x", "y", "z", "w", "active"];
const INT: i64 = 5;
/// Most parameters of which choices are tried.
const PARAMETERS_MAX: usize = 10;
/// What those of a statement with more are that does not insert.
const OF_MANY: [(&str, [&str; 11]); 1] = [(
    "agents.rs: UPDATE",
    ["x", "new", "new", "new", "new", "new", "new", "new", "300", "suspended", "ES256"],
)];

/// A database with such rows of each of `organizations`.
struct Twins {
    connection: Connection,
    tables: Vec<String>,
    _bed: Bed,
}

impl Twins {
    fn of(organizations: &[&str]) -> Twins {
        let bed = Bed::file();
        let Place::File(directory) = &bed.place else { unreachable!() };
        let connection = Connection::open(file_in(directory.path())).unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
            .unwrap();
        let tables = rows(
            &connection,
            "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
             ON c.name = 'organization_id' WHERE m.type = 'table' ORDER BY m.name",
            &[],
        )
        .unwrap();
        let tables = tables.into_iter().flatten().map(text).collect();
        let twins = Twins { connection, tables, _bed: bed };
        for table in &twins.tables {
            for organization in organizations {
                twins.fill(table, organization);
            }
        }
        // The instance's own, which all organizations sign with.
        twins.fill("signing_keys", OWN);
        twins
    }

    fn fill(&self, table: &str, organization: &str) {
        let sql = format!("SELECT name, type FROM pragma_table_info('{table}')");
        let columns: Vec<(String, String)> = rows(&self.connection, &sql, &[])
            .unwrap()
            .into_iter()
            .map(|column| <[Value; 2]>::try_from(column).unwrap().map(text).into())
            .collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {table} VALUES ({marks})");
        for (own, words) in ROWS {
            // What is unique among all organizations cannot be the same.
            let filled = [own.to_owned(), format!("{own} of {organization}")].iter().any(|own| {
                let values = columns.iter().map(|(name, kind)| {
                    let placed = format!("{table}.{name}");
                    let word = IN_TABLE.iter().find(|(column, _)| *column == placed);
                    let word = word.or_else(|| words.iter().find(|(column, _)| column == name));
                    match (name.as_str(), kind.as_str(), word) {
                        ("organization_id", ..) => Value::from(organization.to_owned()),
                        ("log_number", ..) if organization != OWN => Value::from(INT + 1),
                        (_, "INTEGER", Some((_, word))) => {
                            Value::from(word.parse::<i64>().unwrap())
                        }
                        (.., Some((_, word))) => Value::from((*word).to_owned()),
                        (_, "INTEGER", None) => Value::from(INT),
                        (_, "BLOB", _) => Value::from(own.clone().into_bytes()),
                        _ => Value::from(own.clone()),
                    }
                });
                self.connection.execute(&insert, params_from_iter(values)).is_ok()
            });
            // A table with one row for each organization, or for each organization and number.
            assert!(filled || own != "x", "{table} takes no row of {organization}");
        }
    }

    /// All rows of an organization.
    fn of_organization(&self, organization: &str) -> Vec<Vec<Vec<Value>>> {
        let of = |table: &String| {
            let sql = format!("SELECT * FROM {table} WHERE organization_id = ?1");
            let mut found =
                rows(&self.connection, &sql, &[Value::from(organization.to_owned())]).unwrap();
            found.sort_by_key(|row| format!("{row:?}"));
            found
        };
        self.tables.iter().map(of).collect()
    }

    /// What the statement answers [`OWN`], how many rows it changed, and the rows that are left of `left`
    /// if it changed any. Then all is as before.
    fn ask(&self, sql: &str, rest: &[Value], left: &[&str]) -> Answer {
        self.connection.execute_batch("BEGIN").unwrap();
        let before = self.connection.total_changes();
        let mut params = vec![Value::from(OWN.to_owned())];
        params.extend_from_slice(rest);
        let rows = rows(&self.connection, sql, &params);
        let changed = self.connection.total_changes() - before;
        let left =
            left.iter().filter(|_| changed > 0).map(|own| self.of_organization(own)).collect();
        // A statement that fails may have ended the transaction.
        let _ = self.connection.execute_batch("ROLLBACK");
        Answer { rows, changed, left }
    }
}

struct Answer {
    rows: Result<Vec<Vec<Value>>, String>,
    changed: u64,
    left: Vec<Vec<Vec<Vec<Value>>>>,
}

impl Answer {
    fn hits(&self) -> bool {
        self.changed > 0 || self.rows.as_ref().is_ok_and(|rows| !rows.is_empty())
    }
}

fn rows(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, String> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| error.to_string())?;
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    let rows =
        statement.query_map(params_from_iter(params), read).map_err(|error| error.to_string())?;
    rows.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn text(value: Value) -> String {
    let Value::Text(text) = value else { panic!("{value:?} is no text") };
    text
}

/// What the statement's parameters after the first are tried with.
fn choices_for(name: &str, count: usize) -> Box<dyn Iterator<Item = Vec<Value>>> {
    match OF_MANY.iter().find(|(own, _)| *own == name) {
        Some((_, values)) => {
            assert_eq!(values.len(), count, "{name}");
            Box::new(std::iter::once(values.map(|value| Value::from(value.to_owned())).to_vec()))
        }
        None if count < PARAMETERS_MAX => Box::new(choices(count)),
        None => panic!("{name} has {count} parameters: say in OF_MANY what they are"),
    }
}

/// Choices of `count` parameters: a text, bytes, or a number above, at or below that of the rows.
fn choices(count: usize) -> impl Iterator<Item = Vec<Value>> {
    let kinds = match count {
        0..=4 => 5,
        5..=6 => 3,
        _ => 2usize,
    };
    let of_text = move |text: &'static str| {
        (0..kinds.pow(u32::try_from(count).unwrap())).map(move |choice| {
            let value = |at: usize| match choice / kinds.pow(u32::try_from(at).unwrap()) % kinds {
                0 => Value::from(text.to_owned()),
                1 => Value::from(INT + 1),
                2 => Value::from(text.to_owned().into_bytes()),
                3 => Value::from(INT),
                _ => Value::from(INT - 1),
            };
            (0..count).map(value).collect()
        })
    };
    TEXTS.into_iter().flat_map(of_text)
}

#[test]
fn no_statement_of_an_organization_depends_on_another() {
    let (both, alone) = (Twins::of(&[OWN, OTHER]), Twins::of(&[OWN]));
    let others = both.of_organization(OTHER);
    assert!(both.tables.len() > 12 && others.iter().all(|rows| !rows.is_empty()));
    let (mut asked, mut idle) = (0, Vec::new());
    for Statement { name, sql } in statements() {
        let across = ["instance.rs", "installation.rs"].iter().any(|file| name.starts_with(file));
        let count = both.connection.prepare(&sql).unwrap().parameter_count();
        let inserts_many = count > PARAMETERS_MAX && sql.starts_with("INSERT");
        if across || !sql.contains("organization_id") || inserts_many {
            continue;
        }
        asked += 1;
        let mut hits = false;
        for rest in choices_for(&name, count - 1) {
            let (with, without) =
                (both.ask(&sql, &rest, &[OWN, OTHER]), alone.ask(&sql, &rest, &[OWN]));
            assert_eq!(with.rows, without.rows, "{name} {rest:?}");
            assert_eq!(with.changed, without.changed, "{name} {rest:?}");
            assert_eq!(with.left.first(), without.left.first(), "{name} {rest:?}");
            assert!(with.left.get(1).is_none_or(|left| *left == others), "{name} {rest:?}");
            hits |= with.hits();
        }
        if !hits {
            idle.push(name);
        }
    }
    assert!(asked > 60, "only {asked} statements");
    assert_eq!(idle, IDLE, "no choice of values makes them do anything");
}

/// Or the test above could not fail.
#[test]
fn a_statement_that_depends_on_another_is_found() {
    let (both, alone) = (Twins::of(&[OWN, OTHER]), Twins::of(&[OWN]));
    let rest = [Value::from("x".to_owned())];
    for sql in [
        "SELECT agent_id FROM agents WHERE agent_id = ?2 AND ?1 <> ''",
        "SELECT COUNT(*) FROM agents WHERE organization_id = ?1 OR agent_id = ?2",
        "SELECT b.did FROM agents a JOIN agents b ON a.agent_id = b.agent_id
         WHERE a.organization_id = ?1 AND a.agent_id = ?2",
    ] {
        assert_ne!(both.ask(sql, &rest, &[]).rows, alone.ask(sql, &rest, &[]).rows, "{sql}");
    }
    let rename = "UPDATE agents SET name = 'y' WHERE agent_id = ?2 AND ?1 <> ''";
    let others = both.of_organization(OTHER);
    let renamed = both.ask(rename, &rest, &[OWN, OTHER]);
    assert!(renamed.changed == 2 && renamed.left[1] != others);
}
