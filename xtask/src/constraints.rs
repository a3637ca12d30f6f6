//! What a table promises beyond its columns and its primary key: constraints, defaults and indexes, each
//! written one way however a migration spells it, so that both engines' can be compared.

use crate::sql_text::{Placed, Token};

/// Words that begin another clause of a column.
const CLAUSES: &[&str] = &[
    "CONSTRAINT",
    "NOT",
    "NULL",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
];

/// One promise of a table.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) path: String,
    pub(crate) line: usize,
    /// What a later migration drops it by.
    pub(crate) name: Option<String>,
    /// In lower case, evenly spaced, without `COLLATE "C"`: that is how SQLite orders anyway.
    pub(crate) text: String,
}

impl Rule {
    fn at(path: &str, tokens: &[Placed], name: Option<&str>, text: String) -> Rule {
        let line = tokens.first().map_or(1, |(line, _)| *line);
        Rule { path: path.to_owned(), line, name: name.map(str::to_owned), text }
    }

    /// Whether it names `column`, or what is called so.
    pub(crate) fn mentions(&self, column: &str) -> bool {
        let is_inner = |letter: char| letter.is_alphanumeric() || letter == '_';
        self.text.split(|letter| !is_inner(letter)).any(|word| word.eq_ignore_ascii_case(column))
    }
}

/// The rule of an item that stands for itself in a table's body; primary keys are compared elsewhere.
pub(crate) fn of_table(path: &str, item: &[Placed]) -> Option<Rule> {
    let (name, rest) = named(item);
    let first = rest.first().and_then(|(_, token)| token.word())?;
    if first.eq_ignore_ascii_case("PRIMARY") {
        return None;
    }
    Some(Rule::at(path, item, name, render(rest)))
}

/// The rules that a column brings, written as the table would say them.
pub(crate) fn of_column(path: &str, item: &[Placed]) -> Vec<Rule> {
    let [(_, column), _, clauses @ ..] = item else { return Vec::new() };
    let column = column.word().unwrap_or("").to_ascii_lowercase();
    let (mut rules, mut name) = (Vec::new(), None);
    for clause in split(clauses) {
        let first = clause.first().and_then(|(_, token)| token.word()).unwrap_or("");
        let said = render(clause);
        let text = match first.to_ascii_uppercase().as_str() {
            "CONSTRAINT" => {
                name = named(clause).0;
                continue;
            }
            // Those are compared column by column, and beside the primary keys.
            "NOT" | "NULL" | "PRIMARY" => None,
            "UNIQUE" => Some(format!("unique ({column})")),
            "CHECK" => Some(said),
            "REFERENCES" => Some(format!("foreign key ({column}) {said}")),
            // A collation that is everybody's is said as nothing.
            _ if said.is_empty() => None,
            _ => Some(format!("{column} {said}")),
        };
        rules.extend(text.map(|text| Rule::at(path, clause, name, text)));
        name = None;
    }
    rules
}

/// The table of `CREATE [UNIQUE] INDEX name ON table ..`, and what the index promises it.
pub(crate) fn of_index(path: &str, statement: &[Placed]) -> Option<(String, Rule)> {
    let position = |word: &str| statement.iter().position(|(_, token)| token.is(word));
    let (index, on) = (position("INDEX")?, position("ON")?);
    let word = |at: usize| statement.get(at).and_then(|(_, token)| token.word());
    // `IF NOT EXISTS` may stand before the name.
    let name = word(on.checked_sub(1)?)?;
    let table = word(on + 1)?;
    let unique =
        if word(index.checked_sub(1)?)?.eq_ignore_ascii_case("UNIQUE") { "unique " } else { "" };
    let text = format!("{unique}index {name} {}", render(statement.get(on + 2..)?));
    Some((table.to_owned(), Rule::at(path, statement, Some(name), text)))
}

/// `CONSTRAINT name` and what follows it.
fn named(item: &[Placed]) -> (Option<&str>, &[Placed]) {
    match item {
        [(_, word), (_, name), rest @ ..] if word.is("CONSTRAINT") => (name.word(), rest),
        _ => (None, item),
    }
}

/// Splits what follows a column's type at the words that begin a clause.
fn split(tokens: &[Placed]) -> Vec<&[Placed]> {
    let (mut found, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth = depth.saturating_sub(1),
            _ if depth == 0 && at > begin && begins(tokens, at) => {
                found.extend(tokens.get(begin..at));
                begin = at;
            }
            _ => {}
        }
    }
    found.extend(tokens.get(begin..).filter(|last| !last.is_empty()));
    found
}

/// Whether a clause begins at `at`; `ON DELETE SET NULL` goes on.
fn begins(tokens: &[Placed], at: usize) -> bool {
    let is_any = |at: usize, words: &[&str]| {
        tokens.get(at).is_some_and(|(_, token)| words.iter().any(|word| token.is(word)))
    };
    let goes_on = at.checked_sub(1).is_some_and(|before| is_any(before, &["SET"]));
    is_any(at, CLAUSES) && !goes_on
}

fn render(tokens: &[Placed]) -> String {
    let mut text = String::new();
    let mut rest = tokens;
    while let [(_, token), after @ ..] = rest {
        rest = after;
        if let ([(_, collation), beyond @ ..], true) = (after, token.is("COLLATE"))
            && *collation == Token::Word("C".to_owned())
        {
            rest = beyond;
            continue;
        }
        let piece = match token {
            Token::Word(word) => word.to_ascii_lowercase(),
            Token::Text(inner) => format!("'{inner}'"),
            Token::Parameter(number) => format!("?{}", number.unwrap_or_default()),
            Token::Mark(mark) => mark.to_string(),
        };
        let is_close =
            text.is_empty() || text.ends_with('(') || matches!(piece.as_str(), ")" | ",");
        text.push_str(if is_close { "" } else { " " });
        text.push_str(&piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql_text::tokens;

    fn column(sql: &str) -> Vec<String> {
        of_column("a.sql", &tokens(sql)).into_iter().map(|rule| rule.text).collect()
    }

    fn table(sql: &str) -> Option<String> {
        of_table("a.sql", &tokens(sql)).map(|rule| rule.text)
    }

    #[test]
    fn a_column_says_what_the_table_could_say() {
        assert_eq!(
            column("a TEXT COLLATE \"C\" NOT NULL UNIQUE").first(),
            table("UNIQUE (a)").as_ref()
        );
        assert_eq!(
            column("a TEXT NOT NULL REFERENCES b (c) ON DELETE SET NULL").first(),
            table("FOREIGN KEY (a) REFERENCES b (c) ON DELETE  SET null").as_ref()
        );
        assert_eq!(
            column("n INTEGER NOT NULL CHECK (n IN (0, 1)) DEFAULT 1"),
            ["check (n in (0, 1))", "n default 1"]
        );
        assert_eq!(column("n INTEGER NOT NULL PRIMARY KEY"), Vec::<String>::new());
    }

    #[test]
    fn texts_keep_their_case_and_words_do_not() {
        assert_eq!(
            table("CHECK (A IN ('Free','x'))"),
            Some("check (a in ('Free', 'x'))".to_owned())
        );
        assert_eq!(column("a TEXT COLLATE NOCASE"), ["a collate nocase"]);
        assert_eq!(table("PRIMARY KEY (a, b)"), None);
    }

    #[test]
    fn a_name_is_kept_beside_the_text() {
        let of = |sql: &str| of_table("a.sql", &tokens(sql)).unwrap();
        assert_eq!(of("CONSTRAINT x UNIQUE (a)").name.as_deref(), Some("x"));
        assert_eq!(of("CONSTRAINT x UNIQUE (a)").text, of("UNIQUE (a)").text);
        let rules = of_column("a.sql", &tokens("a TEXT CONSTRAINT y CHECK (a <> '') UNIQUE"));
        let names: Vec<_> = rules.iter().map(|rule| rule.name.as_deref()).collect();
        assert_eq!(names, [Some("y"), None]);
        assert!(of("CHECK (a > b_c)").mentions("b_c") && !of("CHECK (a > b_c)").mentions("b"));
    }

    #[test]
    fn an_index_belongs_to_its_table() {
        let of = |sql: &str| of_index("a.sql", &tokens(sql)).unwrap();
        let (table, rule) = of("CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a, b) WHERE s = 'x'");
        assert_eq!((table.as_str(), rule.name.as_deref()), ("t", Some("i")));
        assert_eq!(rule.text, "unique index i (a, b) where s = 'x'");
        assert_eq!(of("CREATE INDEX i ON t (a)").1.text, "index i (a)");
    }
}
