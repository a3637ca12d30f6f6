//! Replaces what differs from run to run by placeholders.

use std::path::Path;

/// The text with ids, times, secrets, tokens, keys and the sandbox's path replaced.
pub(crate) fn redact(text: &str, directory: &Path) -> String {
    let text = text.replace(&*directory.to_string_lossy(), "[DIR]");
    let mut shown = String::new();
    let mut rest = text.as_str();
    let mut inside = false;
    while let Some(c) = rest.chars().next() {
        let found = if inside { None } else { placeholder(rest) };
        let length = match found {
            Some((name, length)) => {
                shown.push_str(name);
                length
            }
            None => {
                shown.push(c);
                c.len_utf8()
            }
        };
        // A placeholder stands for a whole word.
        inside = found.is_none() && (c.is_ascii_alphanumeric() || c == '_');
        rest = &rest[length..];
    }
    shown
}

/// What begins here, and its length.
fn placeholder(text: &str) -> Option<(&'static str, usize)> {
    if text.starts_with("aidp_") {
        return Some(("[SECRET]", run(text, "_-")));
    }
    if text.starts_with("eyJ") {
        return Some(("[TOKEN]", run(text, "_-.")));
    }
    if shape(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh") {
        return Some(("[ID]", 36));
    }
    if shape(text, "dddd-dd-ddTdd:dd:dd") {
        // Times have as many digits as they need; a column behind them is set off by two spaces.
        let end = text.find('Z')? + 1;
        let spaces = text[end..].len() - text[end..].trim_start_matches(' ').len();
        return Some(if spaces > 1 { ("[TIME]  ", end + spaces) } else { ("[TIME]", end) });
    }
    if shape(text, "+hhhhhhhh+") {
        return Some(("+[KEY]", 10 + run(&text[10..], "+/=")));
    }
    if run(text, "") == 10 && shape(text, "dddddddddd") {
        return Some(("[SECONDS]", 10));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    if digits > 0 && text[digits..].starts_with(" MiB free") {
        return Some(("[SIZE]", digits));
    }
    if run(text, "+/=") == 44 {
        return Some(("[HASH]", 44));
    }
    if run(text, "_-") == 43 {
        return Some(("[HASH]", 43));
    }
    None
}

/// Whether the text begins with this pattern, where `h` is a hexadecimal and `d` a decimal digit.
fn shape(text: &str, pattern: &str) -> bool {
    text.len() >= pattern.len()
        && pattern.bytes().zip(text.bytes()).all(|(wanted, found)| match wanted {
            b'h' => found.is_ascii_hexdigit(),
            b'd' => found.is_ascii_digit(),
            other => other == found,
        })
}

/// How many letters, digits and others of these the text begins with.
fn run(text: &str, others: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && !others.contains(c)).unwrap_or(text.len())
}

#[test]
fn what_differs_is_replaced() {
    let text = "01a20386-b268-7a41-9246-541442a888c3 2026-11-22T03:00:00.5Z \"aidp_abc\" eyJh.eyJp.x_-y /tmp/x/home";
    assert_eq!(redact(text, Path::new("/tmp/x")), "[ID] [TIME] \"[SECRET]\" [TOKEN] [DIR]/home");
    let root = "yKLmeZ255v/KiGmQd7ejyr1ZkMvvxUwwr4/A2+KXoc8=";
    assert_eq!(redact(root, Path::new("/x")), "[HASH]");
}
