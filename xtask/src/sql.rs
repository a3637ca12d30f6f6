//! SQL written once: where it may stand, what it may say, and that tenant statements bind `?1`.

use std::collections::BTreeSet;

use crate::catalogue::items;
use crate::finding::Finding;
use crate::ranges::{holds, test_modules};
use crate::rust_text::{Literal, RustText, is_word};
use crate::sql_text::{Placed, Token, has_sequence, tokens};
use crate::tree::{Source, Tree};

const STORE: &str = "agentidp-core/src/store/";
/// Engine files speak their own dialect.
const ENGINES: &[&str] = &["agentidp-core/src/store/sqlite", "agentidp-core/src/store/postgres"];
/// Statements that cross organizations, and the schema's own bookkeeping.
const ACROSS: &[&str] =
    &["agentidp-core/src/store/instance.rs", "agentidp-core/src/store/migrate.rs"];

/// Words that one engine lacks or that would make two runs differ, and what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("FOR UPDATE", "write conditional updates"),
    ("SKIP LOCKED", "claim rows with a conditional update"),
    ("- >", "JSON is read in Rust"),
    ("now (", "bind a Timestamp"),
    ("random (", "bind bytes of the Rng"),
    ("nextval", "ids are made in Rust"),
    ("AUTOINCREMENT", "ids are made in Rust"),
    ("datetime (", "bind a Timestamp"),
    ("strftime (", "bind a Timestamp"),
];

pub(crate) fn check(tree: &Tree, tenant_tables: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    for (source, rust) in tree.rust("agentidp-") {
        let in_src = source.path.split('/').nth(1) == Some("src");
        let is_kit = source.path.starts_with("agentidp-testkit/");
        let is_engine = ENGINES.iter().any(|engine| source.path.starts_with(engine));
        if !in_src || is_kit || is_engine || source.is_test() {
            continue;
        }
        let tests = test_modules(&rust.code);
        for literal in rust.strings.iter().filter(|literal| !holds(&tests, literal.start)) {
            if source.path.starts_with(STORE) {
                check_in_store(source, rust, literal, tenant_tables, findings);
            } else if is_statement(&literal.value) {
                let message = "SQL outside agentidp-core/src/store, move it beside its row reader";
                findings.push(Finding::at(source, literal.start, message));
            }
        }
    }
}

fn check_in_store(
    source: &Source,
    rust: &RustText,
    literal: &Literal,
    tenant_tables: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) {
    if !is_statement(&literal.value) {
        return;
    }
    let mut fail = |message: String| findings.push(Finding::at(source, literal.start, message));
    let tokens = tokens(&literal.value);
    let Some(name) = constant_name(rust, literal) else {
        fail(
            "SQL that is not `const NAME: &str = \"..\";`, so nothing prepares it in tests"
                .to_owned(),
        );
        return;
    };
    for message in dialect_errors(&tokens) {
        fail(format!("{name}: {message}"));
    }
    if ACROSS.contains(&source.path.as_str()) {
        return;
    }
    let table = tokens
        .iter()
        .filter_map(|(_, token)| token.word())
        .find(|word| tenant_tables.contains(*word));
    if let Some(table) = table
        && !binds_organization(&tokens)
    {
        fail(format!(
            "{name}: names tenant table `{table}` without `organization_id = ?1` or an insert of ?1 as \
             organization_id; statements across organizations live in store/instance.rs"
        ));
    }
}

/// Whether the text holds a statement. English in capitals ("DELETE /agents") is none.
fn is_statement(text: &str) -> bool {
    let has = |verb: &str| {
        text.match_indices(verb).any(|(at, _)| {
            !text.get(..at).is_some_and(|head| head.ends_with(is_word))
                && text
                    .get(at + verb.len()..)
                    .is_some_and(|tail| tail.starts_with(char::is_whitespace))
        })
    };
    has("SELECT")
        || has("INSERT INTO")
        || has("INSERT OR")
        || has("DELETE FROM")
        || (has("UPDATE") && has("SET"))
}

/// The name, when the literal is all that a constant of type `&str` holds.
fn constant_name<'r>(rust: &'r RustText, literal: &Literal) -> Option<&'r str> {
    let before = rust.code.get(..literal.start)?.trim_end().strip_suffix('=')?.trim_end();
    let before = ["&str", "&'static str"].iter().find_map(|kind| before.strip_suffix(kind))?;
    let before = before.trim_end().strip_suffix(':')?.trim_end();
    let name_at = before.trim_end_matches(is_word).len();
    let name = before.get(name_at..)?;
    before.get(..name_at)?.trim_end().ends_with("const").then_some(name)
}

fn dialect_errors(tokens: &[Placed]) -> Vec<String> {
    let mut errors: Vec<String> = FORBIDDEN
        .iter()
        .filter(|(words, _)| has_sequence(tokens, words))
        .map(|(words, instead)| format!("`{}` is not portable, {instead}", words.replace(' ', "")))
        .collect();
    if tokens.iter().any(|(_, token)| *token == Token::Parameter(None)) {
        errors.push("a bare `?`, parameters are numbered: ?1, ?2".to_owned());
    }
    // SQLite numbers `$n` by appearance, so the two engines would bind differently.
    if tokens.iter().any(|(_, token)| *token == Token::Mark('$')) {
        errors.push("`$1` style parameters, write ?1, ?2".to_owned());
    }
    errors
}

/// The first wall: a condition on the organization, or an insert under it.
fn binds_organization(tokens: &[Placed]) -> bool {
    has_sequence(tokens, "organization_id = ?1") || inserts_organization(tokens)
}

/// `INSERT INTO t (.., organization_id, ..) VALUES (.., ?1, ..)`, or SELECT in the place of VALUES.
fn inserts_organization(tokens: &[Placed]) -> bool {
    let position = |from: usize, wanted: &dyn Fn(&Token) -> bool| {
        tokens.iter().skip(from).position(|(_, token)| wanted(token)).map(|at| from + at)
    };
    let after = |at: usize| tokens.get(at + 1..).unwrap_or_default();
    let place = || {
        let into = position(0, &|token| token.is("INTO"))?;
        let (columns, _) = items(after(position(into, &|token| *token == Token::Mark('('))?));
        let index = columns.iter().position(|column| has_sequence(column, "organization_id"))?;
        let source = position(into, &|token| token.is("VALUES") || token.is("SELECT"))?;
        let is_values = tokens.get(source).is_some_and(|(_, token)| token.is("VALUES"));
        let (values, _) = items(after(source + usize::from(is_values)));
        let value = values.get(index)?;
        Some(matches!(value, [(_, Token::Parameter(Some(1))), rest @ ..]
            if rest.first().is_none_or(|(_, token)| token.word().is_some())))
    };
    place().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let tables = BTreeSet::from(["agents".to_owned(), "audit_logs".to_owned()]);
        let mut findings = Vec::new();
        check(&Tree::of(&[(path, text)]), &tables, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn statement(sql: &str) -> Vec<String> {
        messages(
            "agentidp-core/src/store/agents.rs",
            &format!("pub(crate) const A: &str = \"{sql}\";"),
        )
    }

    #[test]
    fn statements_under_the_first_wall_pass() {
        for good in [
            "SELECT a.name FROM agents a WHERE a.organization_id = ?1 AND a.id = ?2",
            "INSERT INTO agents (organization_id, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING RETURNING id",
            "INSERT INTO agents (id, organization_id) SELECT ?2, ?1 WHERE EXISTS (SELECT 1)",
            "INSERT INTO agents (organization_id) SELECT ?1 FROM instance",
            "UPDATE agents SET name = ?2 WHERE organization_id = ?1",
            "SELECT issuer FROM instance WHERE note = 'why?'",
        ] {
            assert!(statement(good).is_empty(), "{good}: {:?}", statement(good));
        }
    }

    #[test]
    fn tenant_statements_without_the_wall_are_refused() {
        for bad in [
            "SELECT name FROM agents WHERE id = ?1",
            "SELECT name FROM agents WHERE organization_id = ?2",
            "INSERT INTO agents (id, organization_id) VALUES (?1, ?2)",
            "INSERT INTO agents (organization_id, id) SELECT ?2, ?1",
            "DELETE FROM audit_logs WHERE seq < ?2",
        ] {
            assert_eq!(statement(bad).len(), 1, "{bad}");
        }
        let across = "const A: &str = \"SELECT id FROM agents\";";
        assert!(messages("agentidp-core/src/store/instance.rs", across).is_empty());
        assert!(messages("agentidp-core/src/store/sqlite/wall.rs", across).is_empty());
    }

    #[test]
    fn what_one_engine_lacks_is_refused_everywhere_but_in_engine_files() {
        for bad in [
            "SELECT 1 FOR UPDATE",
            "SELECT 1 FOR UPDATE SKIP  LOCKED",
            "SELECT a->'b' FROM t",
            "SELECT a ->> 'b' FROM t",
            "SELECT now()",
            "SELECT RANDOM()",
            "SELECT nextval('x')",
            "SELECT datetime('x')",
            "SELECT strftime('%s')",
            "SELECT $1",
            "SELECT a FROM t WHERE b = ?",
        ] {
            assert!(!statement(bad).is_empty(), "{bad}");
            let text = format!("const A: &str = \"{bad}\";");
            assert!(!messages("agentidp-core/src/store/instance.rs", &text).is_empty(), "{bad}");
            assert!(messages("agentidp-core/src/store/postgres.rs", &text).is_empty(), "{bad}");
        }
    }

    #[test]
    fn statements_are_constants() {
        let path = "agentidp-core/src/store/agents.rs";
        assert_eq!(messages(path, "fn f() { tx.query(\"SELECT 1\") }").len(), 1);
        assert_eq!(messages(path, "fn f() { format!(\"DELETE FROM {x} y\") }").len(), 1);
        assert!(messages(path, "pub const B: &'static str =\n    r#\"SELECT 1\"#;").is_empty());
        assert!(
            messages(path, "#[cfg(test)]\nmod tests { fn f() { q(\"SELECT 1\") } }").is_empty()
        );
    }

    #[test]
    fn sql_outside_the_store_is_refused_and_http_is_not_sql() {
        for path in ["agentidp-core/src/ops/agents.rs", "agentidp-cli/src/main.rs"] {
            assert_eq!(messages(path, "const A: &str = \"UPDATE x SET y = 1\";").len(), 1);
            assert!(messages(path, "const A: &str = \"DELETE /agents, UPDATE it\";").is_empty());
        }
        let raw = "fn f() { q(\"SELECT * FROM agents\") }";
        assert!(messages("agentidp-core/tests/walls.rs", raw).is_empty());
        assert!(messages("agentidp-testkit/src/raw.rs", raw).is_empty());
    }
}
