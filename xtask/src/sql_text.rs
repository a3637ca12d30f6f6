//! SQL as a list of tokens: enough to read our own migrations and statements, not a parser.

/// One token; words keep their case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A keyword or a name, quoted names without their quotes.
    Word(String),
    /// `'text'` or `$tag$text$tag$`, without its quotes.
    Text(String),
    /// `?1` is `Some(1)`, a bare `?` is nothing.
    Parameter(Option<u32>),
    /// Any other character.
    Mark(char),
}

impl Token {
    /// Whether this is the keyword or name, whatever its case.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own.eq_ignore_ascii_case(word))
    }

    pub(crate) fn word(&self) -> Option<&str> {
        if let Token::Word(word) = self { Some(word) } else { None }
    }
}

/// A token and the line it starts on, from 1.
pub(crate) type Placed = (usize, Token);

/// Splits SQL; comments are dropped.
pub(crate) fn tokens(sql: &str) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(rest) = sql.get(at..).filter(|rest| !rest.is_empty()) {
        let line = 1 + sql.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let (len, token) = next(rest);
        out.extend(token.map(|token| (line, token)));
        at += len;
    }
    out
}

fn next(rest: &str) -> (usize, Option<Token>) {
    let first = rest.chars().next().unwrap_or(' ');
    if rest.starts_with("--") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), None);
    }
    if let Some(tag) = dollar_tag(rest) {
        let body = rest.get(tag.len()..).unwrap_or("");
        let end = body.find(tag).unwrap_or(body.len());
        let text = body.get(..end).unwrap_or(body).to_owned();
        return ((end + 2 * tag.len()).min(rest.len()), Some(Token::Text(text)));
    }
    match first {
        '\'' | '"' => {
            let body = rest.get(1..).unwrap_or("");
            let end = body.find(first).unwrap_or(body.len());
            let inner = body.get(..end).unwrap_or(body).to_owned();
            let token = if first == '"' { Token::Word(inner) } else { Token::Text(inner) };
            ((end + 2).min(rest.len()), Some(token))
        }
        '?' => {
            let digits = rest.get(1..).unwrap_or("");
            let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
            (1 + digits.len(), Some(Token::Parameter(digits.parse().ok())))
        }
        _ if first.is_alphanumeric() || first == '_' => {
            let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
            (word.len(), Some(Token::Word(word.to_owned())))
        }
        _ if first.is_whitespace() => (first.len_utf8(), None),
        _ => (first.len_utf8(), Some(Token::Mark(first))),
    }
}

/// `$$` or `$name$`; `$1` is a parameter and no quote.
fn dollar_tag(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix('$')?;
    let end = inner.find('$')?;
    let name = inner.get(..end)?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_name { rest.get(..end + 2) } else { None }
}

/// Whether the tokens hold these words in a row; `?1` and marks are written as themselves.
pub(crate) fn has_sequence(tokens: &[Placed], wanted: &str) -> bool {
    let wanted: Vec<Token> = self::tokens(wanted).into_iter().map(|(_, token)| token).collect();
    tokens.windows(wanted.len()).any(|window| {
        window.iter().zip(&wanted).all(|((_, token), wanted)| match wanted {
            Token::Word(word) => token.is(word),
            other => token == other,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_parameters() {
        let sql =
            "SELECT \"a\", 'it?', ?2 -- ?\nFROM t /* ? */ WHERE b = ? AND $$x ? y$$ = $q$'$q$";
        let tokens = tokens(sql);
        let parameters: Vec<_> =
            tokens.iter().filter(|(_, token)| matches!(token, Token::Parameter(_))).collect();
        assert_eq!(parameters, [&(1, Token::Parameter(Some(2))), &(2, Token::Parameter(None))]);
        assert!(tokens.contains(&(2, Token::Text("x ? y".to_owned()))));
        assert!(tokens.contains(&(2, Token::Text("'".to_owned()))));
    }

    #[test]
    fn sequences_ignore_case_and_spacing() {
        let tokens = tokens("where  a.Organization_Id=?1");
        assert!(has_sequence(&tokens, "organization_id = ?1"));
        assert!(!has_sequence(&tokens, "organization_id = ?2"));
    }
}
