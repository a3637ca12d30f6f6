//! Rust source split into code and string literals, without a parser.
//!
//! Checks search `code`, where comments and the insides of strings are blanks, so that prose and data
//! never look like code. Offsets are the same in the source, and the code is plain ASCII.

/// A file, split.
#[derive(Debug, Default)]
pub(crate) struct RustText {
    /// As long as the source; comments, literals' contents and non-ASCII bytes are blanks.
    pub(crate) code: String,
    pub(crate) strings: Vec<Literal>,
}

/// A string literal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Byte offset of its first character, prefix included.
    pub(crate) start: usize,
    /// Its value, as far as escapes matter to the checks.
    pub(crate) value: String,
}

/// Splits a source. Unfinished literals run to the end of the file.
pub(crate) fn split(text: &str) -> RustText {
    let mut out = RustText::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            out.blank(rest, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            out.blank(rest, block_comment_len(rest))
        } else if let Some(quote) = quote_at(rest, &out.code) {
            out.string(rest, &quote)
        } else if first == '\'' && char_literal_len(rest).is_some() {
            out.blank(rest, char_literal_len(rest).unwrap_or(1))
        } else if first.is_ascii() {
            out.code.push(first);
            1
        } else {
            out.blank(rest, first.len_utf8())
        };
        rest = rest.get(taken..).unwrap_or("");
    }
    out
}

impl RustText {
    /// Stands in for `len` bytes of `rest`, keeping the line breaks.
    fn blank(&mut self, rest: &str, len: usize) -> usize {
        let bytes = rest.bytes().take(len);
        self.code.extend(bytes.map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        len
    }

    fn string(&mut self, rest: &str, quote: &Quote) -> usize {
        let body = rest.get(quote.open_len..).unwrap_or("");
        let body_len = quote.body_len(body);
        let value = body.get(..body_len).unwrap_or(body);
        let value = if quote.raw { value.to_owned() } else { unescape(value) };
        self.strings.push(Literal { start: self.code.len(), value });
        let len = (quote.open_len + body_len + quote.close.len()).min(rest.len());
        // The quotation marks stay: a literal is still a thing between `=` and `;`.
        let start = self.code.len();
        self.blank(rest, len);
        self.code.replace_range(start..=start, "\"");
        len
    }
}

/// How a string literal opens and closes.
struct Quote {
    raw: bool,
    open_len: usize,
    close: String,
}

impl Quote {
    fn body_len(&self, body: &str) -> usize {
        if self.raw {
            return body.find(&self.close).unwrap_or(body.len());
        }
        let mut escaped = false;
        for (offset, character) in body.char_indices() {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return offset,
                _ => {}
            }
        }
        body.len()
    }
}

fn quote_at(rest: &str, before: &str) -> Option<Quote> {
    let prefixed = !before.ends_with(is_word);
    let prefix = ["", "b", "c", "r", "br", "cr"]
        .into_iter()
        .filter(|prefix| prefix.is_empty() || prefixed)
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|r| r.starts_with(['"', '#'])))?;
    let raw = prefix.ends_with('r');
    let after = rest.get(prefix.len()..)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let opens = after.get(hashes..).is_some_and(|r| r.starts_with('"'));
    if !opens || (hashes > 0 && !raw) {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some(Quote { raw, open_len: prefix.len() + hashes + 1, close })
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are literals, `'a` is a lifetime.
fn char_literal_len(rest: &str) -> Option<usize> {
    let body = rest.get(1..)?;
    if let Some(escaped) = body.strip_prefix('\\') {
        let skipped = escaped.chars().next()?.len_utf8();
        let close = escaped.get(skipped..)?.find('\'')?;
        return Some(2 + skipped + close + 1);
    }
    let character = body.chars().next()?;
    let closes = body.get(character.len_utf8()..)?.starts_with('\'');
    closes.then_some(2 + character.len_utf8())
}

/// `\n` and `\t`, line continuations, and otherwise the character after the backslash.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// Whether a character may be part of an identifier.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Offsets at which `word` stands as a whole identifier.
pub(crate) fn words<'t>(code: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    code.match_indices(word).map(|(offset, _)| offset).filter(move |&offset| {
        let before = code.get(..offset).is_some_and(|head| head.ends_with(is_word));
        let after = code.get(offset + word.len()..).is_some_and(|tail| tail.starts_with(is_word));
        !before && !after
    })
}

/// The identifier that `code` starts with.
pub(crate) fn leading_word(code: &str) -> &str {
    let code = code.strip_prefix("r#").unwrap_or(code);
    code.split(|character| !is_word(character)).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blank_and_offsets_stay() {
        let text = "let a = \"x // y\"; // crate::b\nlet c = 1; /* d /* e */ f */ g";
        let split = split(text);
        assert_eq!(split.code.len(), text.len());
        assert!(!split.code.contains("crate") && !split.code.contains("y\""));
        assert!(split.code.contains("let c = 1;") && split.code.ends_with(" g"));
        assert_eq!(split.strings, [Literal { start: 8, value: "x // y".to_owned() }]);
    }

    #[test]
    fn raw_byte_and_escaped_strings() {
        let values: Vec<String> = split(
            r####"f(r#"a "q" b"#, b"c\"d", "e\
            f", br"\", r"g")"####,
        )
        .strings
        .into_iter()
        .map(|literal| literal.value)
        .collect();
        assert_eq!(values, ["a \"q\" b", "c\"d", "ef", "\\", "g"]);
    }

    #[test]
    fn quotes_as_characters_and_lifetimes() {
        let split = split("fn f<'a>(x: &'a str) { g('\"', '\\'', 'ü', '{'); h(\"s\") }");
        assert_eq!(split.strings.len(), 1);
        assert!(split.code.contains("<'a>(x: &'a str)"));
        assert_eq!(split.code.matches('{').count(), 1);
    }

    #[test]
    fn identifiers_are_whole_words() {
        assert_eq!(words("sqlx my_sqlx sqlx_a (sqlx)", "sqlx").collect::<Vec<_>>(), [0, 21]);
        assert_eq!(leading_word("r#type::x"), "type");
    }
}
