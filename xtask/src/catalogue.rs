//! The schema is written twice, once per engine; here both must say the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::constraints::{self, Rule};
use crate::finding::Finding;
use crate::sql_text::{Placed, Token, has_sequence, tokens};
use crate::tree::Tree;

const SQLITE: &str = "agentidp-core/migrations/sqlite/";
const POSTGRES: &str = "agentidp-core/migrations/postgres/";
const TENANT_COLUMN: &str = "organization_id";

/// SQLite's type, PostgreSQL's type. There are no others.
const TYPES: &[(&str, &str)] = &[("INTEGER", "BIGINT"), ("TEXT", "TEXT"), ("BLOB", "BYTEA")];

/// Compares both catalogues and returns the tenant tables.
pub(crate) fn check(tree: &Tree, findings: &mut Vec<Finding>) -> BTreeSet<String> {
    let (sqlite, postgres) = (Catalogue::read(tree, SQLITE), Catalogue::read(tree, POSTGRES));
    if sqlite.files.is_empty() && postgres.files.is_empty() {
        findings.push(Finding::note("agentidp-core/migrations", 1, "no migrations yet"));
        return BTreeSet::new();
    }
    compare_files(&sqlite, &postgres, findings);
    compare_files(&postgres, &sqlite, findings);
    for (name, table) in &sqlite.tables {
        match postgres.tables.get(name) {
            Some(other) => {
                compare_tables(name, table, other, findings);
                compare_rules(name, table, other, "SQLite", findings);
                compare_rules(name, other, table, "PostgreSQL", findings);
            }
            None => findings.push(table.failure(name, "exists on SQLite only")),
        }
        if !table.strict {
            findings.push(table.failure(name, "is not STRICT: SQLite would keep any type"));
        }
    }
    for (name, table) in &postgres.tables {
        if !sqlite.tables.contains_key(name) {
            findings.push(table.failure(name, "exists on PostgreSQL only"));
        }
        if table.is_tenants() {
            check_row_security(name, table, &postgres, findings);
        }
    }
    sqlite
        .tables
        .into_iter()
        .filter(|(_, table)| table.is_tenants())
        .map(|(name, _)| name)
        .collect()
}

fn compare_files(one: &Catalogue, other: &Catalogue, findings: &mut Vec<Finding>) {
    for file in one.files.difference(&other.files) {
        let path = format!("{}{file}", one.directory);
        let message =
            format!("{} has no such file: a migration is written for both", other.directory);
        findings.push(Finding::failure(&path, 1, message));
    }
}

fn compare_tables(name: &str, sqlite: &Table, postgres: &Table, findings: &mut Vec<Finding>) {
    if sqlite.primary_key != postgres.primary_key {
        let message = format!(
            "has primary key ({}), and ({}) on SQLite",
            postgres.primary_key.join(", "),
            sqlite.primary_key.join(", ")
        );
        findings.push(postgres.failure(name, &message));
    }
    if sqlite.columns.len() != postgres.columns.len() {
        let message = format!(
            "has {} columns, and {} on SQLite",
            postgres.columns.len(),
            sqlite.columns.len()
        );
        findings.push(postgres.failure(name, &message));
    }
    for (left, right) in sqlite.columns.iter().zip(&postgres.columns) {
        let types = (left.kind.as_str(), right.kind.as_str());
        let wrong = if left.name != right.name {
            Some(format!("stands where SQLite has `{}`", left.name))
        } else if !TYPES.contains(&types) {
            Some(format!("is {} on PostgreSQL and {} on SQLite", right.kind, left.kind))
        } else if sqlite.refuses_null(left) != postgres.refuses_null(right) {
            Some("is NOT NULL on one engine only".to_owned())
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let message = format!("column `{}` of `{name}` {wrong}", right.name);
            findings.push(Finding::failure(&postgres.path, right.line, message));
        }
    }
}

/// What `one` of the engines keeps, the `other` does too: constraints, defaults and indexes, by their text.
fn compare_rules(
    name: &str,
    one: &Table,
    other: &Table,
    engine: &str,
    findings: &mut Vec<Finding>,
) {
    for rule in &one.rules {
        if !other.rules.iter().any(|theirs| theirs.text == rule.text) {
            let message = format!("table `{name}` has `{}` on {engine} only", rule.text);
            findings.push(Finding::failure(&rule.path, rule.line, message));
        }
    }
}

fn check_row_security(
    name: &str,
    table: &Table,
    postgres: &Catalogue,
    findings: &mut Vec<Finding>,
) {
    for word in ["ENABLE", "FORCE"] {
        if !postgres.row_security.contains(&(name.to_owned(), word)) {
            let message = format!("holds tenants' rows and lacks {word} ROW LEVEL SECURITY");
            findings.push(table.failure(name, &message));
        }
    }
}

/// What the migrations of one engine amount to.
#[derive(Debug, Default)]
struct Catalogue {
    directory: &'static str,
    files: BTreeSet<String>,
    tables: BTreeMap<String, Table>,
    row_security: BTreeSet<(String, &'static str)>,
}

#[derive(Debug, Default)]
struct Table {
    path: String,
    line: usize,
    columns: Vec<Column>,
    primary_key: Vec<String>,
    rules: Vec<Rule>,
    strict: bool,
}

#[derive(Debug)]
struct Column {
    line: usize,
    name: String,
    kind: String,
    not_null: bool,
}

impl Table {
    fn is_tenants(&self) -> bool {
        self.columns.iter().any(|column| column.name == TENANT_COLUMN)
    }

    /// A primary key refuses NULL on PostgreSQL by itself; SQLite needs it said or WITHOUT ROWID.
    fn refuses_null(&self, column: &Column) -> bool {
        column.not_null || self.primary_key.contains(&column.name)
    }

    fn failure(&self, name: &str, message: &str) -> Finding {
        Finding::failure(&self.path, self.line, format!("table `{name}` {message}"))
    }

    /// Takes in an item of the table's body, or what ALTER TABLE adds.
    fn add(&mut self, path: &str, item: &[Placed]) {
        let first = item.first().and_then(|(_, token)| token.word()).unwrap_or("");
        let keyed = has_sequence(item, "PRIMARY KEY");
        match first.to_ascii_uppercase().as_str() {
            "PRIMARY" | "CONSTRAINT" if keyed => self.primary_key = names_in_parentheses(item),
            "PRIMARY" | "CONSTRAINT" | "FOREIGN" | "UNIQUE" | "CHECK" | "EXCLUDE" => {
                self.rules.extend(constraints::of_table(path, item));
            }
            _ => {
                if keyed {
                    self.primary_key = vec![first.to_owned()];
                }
                self.columns.extend(column(item));
                self.rules.extend(constraints::of_column(path, item));
            }
        }
    }

    /// Takes out what ALTER TABLE drops: a constraint by its name, or a column and what is said of it.
    fn remove(&mut self, what: &[Placed]) {
        let mut words = what.iter().filter_map(|(_, token)| token.word());
        let Some(first) = words.next() else { return };
        if first.eq_ignore_ascii_case("CONSTRAINT") {
            let is_filler =
                |word: &&str| ["IF", "EXISTS"].iter().any(|w| word.eq_ignore_ascii_case(w));
            let name = words.find(|word| !is_filler(word));
            self.rules.retain(|rule| rule.name.is_none() || rule.name.as_deref() != name);
        } else if self.columns.iter().any(|column| column.name == first) {
            self.columns.retain(|column| column.name != first);
            self.rules.retain(|rule| !rule.mentions(first));
        }
    }
}

impl Catalogue {
    fn read(tree: &Tree, directory: &'static str) -> Catalogue {
        let mut catalogue = Catalogue { directory, ..Catalogue::default() };
        for source in &tree.sources {
            let name = source.path.strip_prefix(directory).filter(|name| name.ends_with(".sql"));
            if let Some(name) = name {
                catalogue.files.insert(name.to_owned());
                catalogue.apply(&source.path, &source.text);
            }
        }
        catalogue
    }

    /// Follows CREATE, ALTER and DROP of tables and indexes; functions are quoted and triggers hold none
    /// of these.
    fn apply(&mut self, path: &str, sql: &str) {
        let tokens = tokens(sql);
        for statement in tokens.split(|(_, token)| *token == Token::Mark(';')) {
            let words: Vec<&str> =
                statement.iter().map_while(|(_, token)| token.word()).take(6).collect();
            let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
            let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
            let if_exists = upper.iter().position(|word| *word == "EXISTS").map_or(2, |at| at + 1);
            let Some(name) = words.get(if_exists).map(|name| (*name).to_owned()) else { continue };
            match upper.as_slice() {
                ["CREATE", "TABLE", ..] => {
                    self.tables.insert(name, create(path, statement));
                }
                ["DROP", "TABLE", ..] => {
                    self.tables.remove(&name);
                }
                ["ALTER", "TABLE", ..] => self.alter(path, &name, statement),
                ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => {
                    let Some((table, rule)) = constraints::of_index(path, statement) else {
                        continue;
                    };
                    if let Some(table) = self.tables.get_mut(&table) {
                        table.rules.push(rule);
                    }
                }
                ["DROP", "INDEX", ..] => {
                    for table in self.tables.values_mut() {
                        table.rules.retain(|rule| rule.name.as_ref() != Some(&name));
                    }
                }
                _ => {}
            }
        }
    }

    fn alter(&mut self, path: &str, name: &str, statement: &[Placed]) {
        for word in ["ENABLE", "FORCE"] {
            if has_sequence(statement, &format!("{word} ROW LEVEL SECURITY")) {
                self.row_security.insert((name.to_owned(), word));
            }
        }
        let position = |word: &str| statement.iter().position(|(_, token)| token.is(word));
        let after = |at: usize, word: &str| {
            let skipped = statement.get(at + 1).is_some_and(|(_, token)| token.is(word));
            statement.get(at + 1 + usize::from(skipped)..).unwrap_or_default()
        };
        if let Some(at) = position("RENAME") {
            let to = after(at, "TO").first().and_then(|(_, token)| token.word());
            if let (Some(table), Some(to)) = (self.tables.remove(name), to) {
                self.tables.insert(to.to_owned(), table);
            }
            return;
        }
        let Some(table) = self.tables.get_mut(name) else { return };
        if let Some(at) = position("ADD") {
            table.add(path, after(at, "COLUMN"));
        } else if let Some(at) = position("DROP") {
            table.remove(after(at, "COLUMN"));
        }
    }
}

fn create(path: &str, statement: &[Placed]) -> Table {
    let line = statement.first().map_or(1, |(line, _)| *line);
    let mut table = Table { path: path.to_owned(), line, ..Table::default() };
    let open = statement.iter().position(|(_, token)| *token == Token::Mark('('));
    let body = statement.get(open.map_or(statement.len(), |open| open + 1)..).unwrap_or_default();
    let (items, rest) = items(body);
    table.strict = has_sequence(rest, "STRICT");
    for item in items {
        table.add(path, item);
    }
    table
}

/// Splits at the commas of the outermost level; also what follows the closing parenthesis.
pub(crate) fn items(body: &[Placed]) -> (Vec<&[Placed]>, &[Placed]) {
    let (mut found, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, (_, token)) in body.iter().enumerate() {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') if depth > 0 => depth -= 1,
            Token::Mark(')') => {
                found.extend(body.get(begin..at));
                return (found, body.get(at + 1..).unwrap_or_default());
            }
            Token::Mark(',') if depth == 0 => {
                found.extend(body.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.extend(body.get(begin..));
    (found, &[])
}

fn column(item: &[Placed]) -> Option<Column> {
    let [(line, name), (_, kind), ..] = item else { return None };
    Some(Column {
        line: *line,
        name: name.word()?.to_owned(),
        kind: kind.word()?.to_ascii_uppercase(),
        not_null: has_sequence(item, "NOT NULL"),
    })
}

fn names_in_parentheses(item: &[Placed]) -> Vec<String> {
    let inner = item.iter().skip_while(|(_, token)| *token != Token::Mark('(')).skip(1);
    let inner = inner.take_while(|(_, token)| *token != Token::Mark(')'));
    inner.filter_map(|(_, token)| token.word().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITE: &str = "-- ; a comment\nCREATE TABLE agents (\n  organization_id TEXT NOT NULL REFERENCES o (x),\n  \
        id TEXT NOT NULL,\n  n INTEGER NOT NULL CHECK (n IN (0, 1)),\n  sealed BLOB,\n  \
        PRIMARY KEY (organization_id, id)\n) STRICT, WITHOUT ROWID;\n\
        CREATE TRIGGER t BEFORE DELETE ON agents BEGIN SELECT RAISE(ABORT, 'no; never'); END;\n\
        CREATE TABLE instance (id INTEGER PRIMARY KEY, issuer TEXT NOT NULL) STRICT;";
    const POST: &str = "CREATE TABLE agents (\n  organization_id TEXT COLLATE \"C\" NOT NULL,\n  \
        id TEXT COLLATE \"C\" NOT NULL,\n  n BIGINT NOT NULL,\n  sealed BYTEA,\n  \
        PRIMARY KEY (organization_id, id),\n  FOREIGN KEY (organization_id) REFERENCES o (x),\n  \
        CHECK (n IN (0,1))\n);\nALTER TABLE agents ENABLE ROW LEVEL SECURITY;\n\
        ALTER TABLE agents FORCE ROW LEVEL SECURITY;\n\
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN; CREATE TABLE x (y TEXT); END $$;\n\
        CREATE TABLE instance (id BIGINT PRIMARY KEY, issuer TEXT NOT NULL);";

    fn run(lite: &str, post: &str) -> (Vec<String>, BTreeSet<String>) {
        let (lite_path, post_path) =
            (format!("{SQLITE}0001_a.sql"), format!("{POSTGRES}0001_a.sql"));
        let mut findings = Vec::new();
        let tables = check(&Tree::of(&[(&lite_path, lite), (&post_path, post)]), &mut findings);
        (findings.iter().map(ToString::to_string).collect(), tables)
    }

    #[track_caller]
    fn refused(lite: &str, post: &str, wanted: &str) {
        let (found, _) = run(lite, post);
        assert!(found.iter().any(|line| line.contains(wanted)), "{wanted}: {found:?}");
    }

    #[test]
    fn equal_catalogues_pass_and_name_the_tenant_tables() {
        let (found, tables) = run(LITE, POST);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(tables.into_iter().collect::<Vec<_>>(), ["agents"]);
    }

    #[test]
    fn no_migrations_are_a_note() {
        let mut findings = Vec::new();
        check(&Tree::default(), &mut findings);
        assert!(findings.iter().all(|finding| !finding.fails) && findings.len() == 1);
    }

    #[test]
    fn differences_are_refused() {
        refused(&LITE.replace(") STRICT, WITHOUT", ") WITHOUT"), POST, "`agents` is not STRICT");
        refused(LITE, &POST.replace("n BIGINT", "n INTEGER"), "`n` of `agents` is INTEGER");
        refused(
            LITE,
            &POST.replace("sealed BYTEA", "wrapped BYTEA"),
            "`wrapped` of `agents` stands",
        );
        refused(LITE, &POST.replace("n BIGINT NOT NULL", "n BIGINT"), "NOT NULL on one engine");
        refused(LITE, &POST.replace("KEY (organization_id, id)", "KEY (id)"), "primary key (id)");
        refused(LITE, &POST.replace("  sealed BYTEA,\n", ""), "has 3 columns, and 4");
        refused(
            LITE,
            &POST.replace("TABLE instance", "TABLE more"),
            "`more` exists on PostgreSQL only",
        );
        refused(
            LITE,
            &POST.replace("TABLE instance", "TABLE more"),
            "`instance` exists on SQLite only",
        );
    }

    #[test]
    fn constraints_and_indexes_of_one_engine_only_are_refused() {
        let of = |part: &str, other: &str| POST.replace(part, other);
        let check = "`agents` has `check (n in (0, 1))` on SQLite only";
        refused(LITE, &of("(0,1)", "(0, 1, 2)"), check);
        refused(LITE, &of("(0,1)", "(0, 1, 2)"), "`check (n in (0, 1, 2))` on PostgreSQL only");
        let key = "`foreign key (organization_id) references o (x)` on SQLite only";
        refused(LITE, &of("REFERENCES o (x)", "REFERENCES o (y)"), key);
        refused(
            LITE,
            &of("sealed BYTEA", "sealed BYTEA UNIQUE"),
            "`unique (sealed)` on PostgreSQL",
        );
        refused(LITE, &of("sealed BYTEA", "sealed BYTEA DEFAULT 1"), "`sealed default 1` on Post");
        let index = "CREATE UNIQUE INDEX i ON agents (n) WHERE sealed IS NULL;";
        refused(&format!("{LITE}{index}"), POST, "`unique index i (n) where sealed is null` on SQ");
        let plain = index.replace("UNIQUE ", "");
        refused(&format!("{LITE}{index}"), &format!("{POST}{plain}"), "`index i (n) where");
    }

    #[test]
    fn what_is_dropped_is_compared_no_more() {
        let same = |lite: &str, post: &str| {
            let found = run(&format!("{LITE}{lite}"), &format!("{POST}{post}")).0;
            assert!(found.is_empty(), "{lite} {post}: {found:?}");
        };
        same("CREATE INDEX i ON agents (n); DROP INDEX i;", "");
        same("", "CREATE INDEX i ON agents (n); DROP INDEX IF EXISTS i;");
        let added = "ALTER TABLE agents ADD CONSTRAINT few CHECK (n < 9);";
        same("", &format!("{added} ALTER TABLE agents DROP CONSTRAINT IF EXISTS few;"));
        refused(LITE, &format!("{POST}{added}"), "`check (n < 9)` on PostgreSQL only");
        let column =
            "ALTER TABLE agents ADD COLUMN m TEXT DEFAULT 'x'; ALTER TABLE agents DROP COLUMN m;";
        same(column, "");
    }

    #[test]
    fn tenant_tables_without_row_security_are_refused() {
        refused(LITE, &POST.replace("agents ENABLE", "instance ENABLE"), "lacks ENABLE ROW");
        refused(LITE, &POST.replace("agents FORCE", "agents NO FORCE_NOT"), "lacks FORCE ROW");
    }

    #[test]
    fn a_migration_for_one_engine_is_refused() {
        let mut findings = Vec::new();
        check(&Tree::of(&[(&format!("{SQLITE}0001_a.sql"), "")]), &mut findings);
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn later_migrations_are_followed() {
        let lite = format!("{LITE} ALTER TABLE agents ADD COLUMN note TEXT; DROP TABLE instance;");
        let post =
            format!("{POST} ALTER TABLE agents ADD note TEXT; DROP TABLE IF EXISTS instance;");
        assert_eq!(run(&lite, &post).0, Vec::<String>::new());
        refused(&lite, POST, "has 4 columns, and 5");
        let renamed = "ALTER TABLE instance RENAME TO house;";
        assert_eq!(
            run(&format!("{LITE}{renamed}"), &format!("{POST}{renamed}")).0,
            Vec::<String>::new()
        );
    }
}
