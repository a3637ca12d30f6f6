//! From the portable `?1` to PostgreSQL's `$1`.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

/// A statement as PostgreSQL wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) sql: &'static str,
    /// The highest number of a parameter, which is how many there are.
    pub(super) parameters: usize,
}

/// Translations, by the address and length of the text: it is static, so they name it for ever, and
/// hashing them is cheaper than hashing the text.
static TRANSLATIONS: LazyLock<RwLock<HashMap<(usize, usize), Translated>>> =
    LazyLock::new(RwLock::default);

/// The translation of `sql`, made once for each static text.
pub(super) fn translated(sql: &'static str) -> Translated {
    let key = (sql.as_ptr().addr(), sql.len());
    let known = TRANSLATIONS.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    known.unwrap_or_else(|| {
        let (text, parameters) = translate(sql);
        let made = Translated { sql: text.leak(), parameters };
        *TRANSLATIONS.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(made)
    })
}

/// Where in a statement the scanner is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    /// In a string or a quoted name. A doubled quote ends it and begins the next at once.
    Quoted(char),
    LineComment,
    BlockComment,
}

/// Writes each `?N` outside quotes and comments as `$N`, and tells the highest N.
fn translate(sql: &str) -> (String, usize) {
    let mut out = String::with_capacity(sql.len());
    let mut highest = 0;
    let mut place = Place::Code;
    let mut chars = sql.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        if place == Place::Code && char == '?' {
            let mut number = 0_usize;
            out.push('$');
            while let Some(digit) = chars.peek().and_then(|char| char.to_digit(10)) {
                number = number.saturating_mul(10).saturating_add(digit as usize);
                out.extend(chars.next());
            }
            highest = highest.max(number);
            continue;
        }
        place = match (place, char, next) {
            (Place::Code, '\'' | '"', _) => Place::Quoted(char),
            (Place::Quoted(quote), _, _) if quote == char => Place::Code,
            (Place::Code, '-', Some('-')) => Place::LineComment,
            (Place::LineComment, '\n', _) => Place::Code,
            (Place::Code, '/', Some('*')) => Place::BlockComment,
            (Place::BlockComment, '*', Some('/')) => Place::Code,
            (unchanged, _, _) => unchanged,
        };
        out.push(char);
        if matches!((char, next), ('/', Some('*')) | ('*', Some('/'))) {
            // The second character of a comment's mark must not begin or end another: `/*/`.
            if matches!(place, Place::BlockComment | Place::Code) {
                out.extend(chars.next());
            }
        }
    }
    (out, highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_postgres_numbers() {
        assert_eq!(translate("SELECT ?1, ?12"), ("SELECT $1, $12".to_owned(), 12));
        assert_eq!(translate("SELECT 1"), ("SELECT 1".to_owned(), 0));
        assert_eq!(translate("a=?2 AND b=?1 AND c=?2"), ("a=$2 AND b=$1 AND c=$2".to_owned(), 2));
    }

    #[test]
    fn quotes_and_comments_are_left_alone() {
        for (sql, parameters) in [
            ("SELECT '?1'", 0),
            ("SELECT 'it''s ?1'", 0),
            ("SELECT \"?1\"\"?2\" FROM t", 0),
            ("SELECT 1 -- ?1\n", 0),
            ("SELECT 1 /* ?1 ' */", 0),
            ("SELECT 1 /*/ ?1 */", 0),
            ("SELECT '--', '/*'", 0),
            ("SELECT '\u{e9}?1\u{1f600}'", 0),
        ] {
            assert_eq!(translate(sql), (sql.to_owned(), parameters), "{sql}");
        }
        assert_eq!(translate("'a'?1'b'").0, "'a'$1'b'");
        assert_eq!(translate("-- '\n?1").0, "-- '\n$1");
        assert_eq!(translate("/* ' */ ?1").0, "/* ' */ $1");
        assert_eq!(translate("1 - ?1 / ?2 * ?3").0, "1 - $1 / $2 * $3");
        assert_eq!(translate("'/*' ?1 '*/'").0, "'/*' $1 '*/'");
    }

    #[test]
    fn a_text_is_translated_once() {
        const SQL: &str = "SELECT ?1 AS once";
        let first = translated(SQL);
        assert_eq!(first, Translated { sql: "SELECT $1 AS once", parameters: 1 });
        assert_eq!(translated(SQL).sql.as_ptr(), first.sql.as_ptr());
    }
}
