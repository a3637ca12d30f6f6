//! Where bodies begin and end: braces balanced over blanked code.

use std::ops::Range;

use crate::rust_text::{leading_word, words};

/// The offset after the bracket that closes the one at `open`.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, character) in code.char_indices().skip(open) {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The bodies of in-line modules, `mod name { .. }`, outermost first.
pub(crate) fn modules(code: &str) -> Vec<Range<usize>> {
    let body = |offset: usize| {
        let after_mod = offset + "mod".len();
        let tail = code.get(after_mod..)?;
        let name_at = after_mod + tail.len() - tail.trim_start().len();
        let after_name = name_at + leading_word(code.get(name_at..)?).len();
        let tail = code.get(after_name..)?;
        let open = after_name + tail.len() - tail.trim_start().len();
        code.get(open..)?.starts_with('{').then(|| open..closing(code, open))
    };
    words(code, "mod").filter_map(body).collect()
}

/// The bodies of in-line modules under `#[cfg(test)]`.
pub(crate) fn test_modules(code: &str) -> Vec<Range<usize>> {
    let marks: Vec<usize> = code.match_indices("#[cfg(test)]").map(|(offset, _)| offset).collect();
    modules(code)
        .into_iter()
        .filter(|body| {
            marks.iter().any(|&mark| {
                let between = code.get(mark..body.start).unwrap_or("");
                mark < body.start && !between.contains([';', '{', '}'])
            })
        })
        .collect()
}

/// Whether any of the ranges holds the offset.
pub(crate) fn holds(ranges: &[Range<usize>], offset: usize) -> bool {
    ranges.iter().any(|range| range.contains(&offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_found_and_declarations_are_not() {
        let code = "mod a;\nfn f() { g() }\n#[cfg(test)]\nmod tests { fn t() { x } }\nmod b { y }";
        let tests = test_modules(code);
        assert_eq!(modules(code).len(), 2);
        assert_eq!(tests.len(), 1);
        assert!(holds(&tests, code.find('x').unwrap()));
        assert!(!holds(&tests, code.find('y').unwrap()));
    }

    #[test]
    fn an_unclosed_body_runs_to_the_end() {
        assert_eq!(closing("a { b", 2), 5);
    }
}
