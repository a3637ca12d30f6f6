//! Sizes of files and functions, and what `lib.rs` and `mod.rs` may hold.

use crate::finding::Finding;
use crate::ranges::closing;
use crate::rust_text::{RustText, leading_word, words};
use crate::tree::{Source, Tree};

const FILE_LINES_NOTE: usize = 600;
const FILE_LINES_MAX: usize = 1000;
const FUNCTION_LINES_NOTE: usize = 70;

pub(crate) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (source, rust) in tree.rust("") {
        check_file(source, findings);
        check_functions(source, rust, findings);
        if source.path.ends_with("/lib.rs") || source.path.ends_with("/mod.rs") {
            check_index(source, rust, findings);
        }
    }
}

fn check_file(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let message = format!("{lines} lines, the most is {FILE_LINES_MAX}: one idea each");
        findings.push(Finding::failure(&source.path, 1, message));
    } else if lines > FILE_LINES_NOTE {
        let message = format!("{lines} lines, above {FILE_LINES_NOTE}: is this one idea?");
        findings.push(Finding::note(&source.path, 1, message));
    }
}

fn check_functions(source: &Source, rust: &RustText, findings: &mut Vec<Finding>) {
    for offset in words(&rust.code, "fn") {
        let Some((name, lines)) = function_at(&rust.code, offset) else { continue };
        if lines > FUNCTION_LINES_NOTE {
            let message = format!(
                "function `{name}` has {lines} lines, above {FUNCTION_LINES_NOTE}: does it fit a screen?"
            );
            findings.push(Finding::note(&source.path, source.line_of(offset), message));
        }
    }
}

/// Name and lines of the function at `fn`; nothing for declarations and function pointers.
fn function_at(code: &str, offset: usize) -> Option<(&str, usize)> {
    let tail = code.get(offset..)?;
    let name = leading_word(tail.strip_prefix("fn")?.trim_start());
    // Arrays in a signature hold a `;`, parameters do not hold a `{`.
    let open = tail.find('{')?;
    let parameters = closing(tail, tail.find('(')?);
    let declared = tail.get(parameters..open).is_none_or(|between| between.contains(';'));
    if name.is_empty() || declared {
        return None;
    }
    let body = code.get(offset..closing(code, offset + open))?;
    Some((name, body.lines().count()))
}

/// Attributes, modules, imports and macros; logic has a file of its own.
fn check_index(source: &Source, rust: &RustText, findings: &mut Vec<Finding>) {
    let code = rust.code.as_str();
    let mut at = 0;
    while let Some(rest) = code.get(at..) {
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if rest.is_empty() {
            return;
        }
        if rest.starts_with("#") {
            at = closing(code, at + rest.find('[').unwrap_or(0));
            continue;
        }
        let item_at = at;
        let item = after_visibility(rest);
        let ends_at_semicolon = at + rest.find(';').map_or(rest.len(), |semicolon| semicolon + 1);
        let body = rest.find('{').map_or(code.len(), |open| closing(code, at + open));
        let declared = ends_at_semicolon < at + rest.find('{').unwrap_or(rest.len());
        at = match leading_word(item) {
            "mod" if declared => ends_at_semicolon,
            // A combination of features that cannot work is refused where the crate begins.
            "use" | "extern" | "compile_error" => ends_at_semicolon,
            "macro_rules" => body,
            // A macro body in brackets or parentheses leaves its semicolon behind.
            "" if rest.starts_with(';') => at + 1,
            word => {
                let message = format!(
                    "`{word}` in {}: only docs, attributes, `mod name;`, `use` and macros belong here",
                    source.path.rsplit('/').next().unwrap_or("mod.rs")
                );
                findings.push(Finding::at(source, item_at, message));
                return;
            }
        };
    }
}

fn after_visibility(item: &str) -> &str {
    let Some(rest) = item.strip_prefix("pub").filter(|rest| rest.starts_with([' ', '(', '\n']))
    else {
        return item;
    };
    let rest = rest.trim_start();
    if rest.starts_with('(') {
        rest.get(closing(rest, 0)..).unwrap_or("").trim_start()
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&Tree::of(&[(path, text)]), &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn long_files_are_noted_then_refused() {
        assert!(messages("a/b.rs", &"\n".repeat(600)).is_empty());
        let noted = messages("a/b.rs", &"\n".repeat(601));
        assert!(noted.iter().all(|line| line.contains("note: ")) && noted.len() == 1);
        let refused = messages("a/b.rs", &"\n".repeat(1001));
        assert!(refused.iter().all(|line| !line.contains("note: ")) && refused.len() == 1);
    }

    #[test]
    fn long_functions_are_noted() {
        let long =
            format!("trait T {{ fn a(x: [u8; 2]); }}\nfn b<F: Fn(u8)>() {{{}}}", "\n".repeat(70));
        let found = messages("a/b.rs", &long);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("a/b.rs:2: note: function `b` has 71")));
        let short = format!("fn b() {{{}}}\nfn c() {{{}}}", "\n".repeat(60), "\n".repeat(60));
        assert!(messages("a/b.rs", &short).is_empty());
    }

    #[test]
    fn an_index_holds_modules_and_imports() {
        let good = "//! Docs.\n#![deny(missing_docs)]\n#[macro_use]\nmod a;\npub mod b;\n\
                    #[cfg(test)]\nmod tests;\n/// Names.\npub use a::{B, C};\npub(crate) use b::d;\n\
                    macro_rules! sql { ($x:literal) => { $x } }\n#[doc = include_str!(\"../x.md\")]\nuse e as _;\n";
        assert!(messages("x/lib.rs", good).is_empty(), "{:?}", messages("x/lib.rs", good));
        assert!(messages("x/other.rs", "fn f() {}").is_empty());
    }

    #[test]
    fn an_index_holds_no_logic() {
        for bad in [
            "mod a;\nfn f() {}",
            "pub const A: u8 = 1;",
            "pub(crate) struct S;",
            "mod t { fn f() {} }",
        ] {
            assert_eq!(messages("x/mod.rs", bad).len(), 1, "{bad}");
        }
        let line = messages("x/mod.rs", "mod a;\n\npub struct S;");
        assert!(line.iter().all(|line| line.starts_with("x/mod.rs:3: `struct`")));
    }
}
