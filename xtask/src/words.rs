//! What must not be in the repository: registries' hosts, one machine's paths, unfinished code.

use crate::finding::Finding;
use crate::rust_text::words;
use crate::tree::{Source, Tree};

/// Needles in pieces, or this file would hold them: (text that may not occur, why).
const NEEDLES: &[(&[&str], &str)] = &[
    (&["crates", ".io"], REGISTRY),
    (&["npmjs", "."], REGISTRY),
    (&["pypi", ".org"], REGISTRY),
    (&["pythonhosted", "."], REGISTRY),
    (&["deb", ".debian"], REGISTRY),
    (&["/wor", "k/main"], MACHINE),
    (&["/wor", "k/shared"], MACHINE),
    (&["/wor", "k/steering"], MACHINE),
    (&["/wor", "k/.library"], MACHINE),
    (&["..", "/shared"], MACHINE),
];
const REGISTRY: &str = "the host of a registry: mirrors are the user's to choose";
const MACHINE: &str = "a path of one machine";

/// Written by package managers, hosts and all.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json"];

pub(crate) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for source in &tree.sources {
        let name = source.path.rsplit('/').next().unwrap_or("");
        if !LOCK_FILES.contains(&name) {
            check_needles(source, findings);
        }
        check_unfinished(source, findings);
    }
}

fn check_needles(source: &Source, findings: &mut Vec<Finding>) {
    for (pieces, why) in NEEDLES {
        let needle = pieces.concat();
        for (offset, _) in source.text.match_indices(&needle) {
            findings.push(Finding::at(source, offset, format!("`{needle}`, {why}")));
        }
    }
}

fn check_unfinished(source: &Source, findings: &mut Vec<Finding>) {
    let Some(rust) = &source.rust else { return };
    for name in ["todo", "unimplemented"] {
        for offset in words(&rust.code, name) {
            if rust.code.get(offset + name.len()..).is_some_and(|tail| tail.starts_with('!')) {
                findings.push(Finding::at(source, offset, format!("`{name}!`, unfinished code")));
            }
        }
    }
    for (offset, _) in rust.code.match_indices("#[ignore") {
        let message = "an ignored test: mend it, or give it to scripts/soak by name";
        findings.push(Finding::at(source, offset, message));
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
    fn every_needle_is_found_with_its_line() {
        for (pieces, _) in NEEDLES {
            let found = messages("docs/a.md", &format!("one\nsee {} there", pieces.concat()));
            assert_eq!(found.len(), 1, "{pieces:?}");
            assert!(found.iter().all(|line| line.starts_with("docs/a.md:2: ")));
            assert!(messages("Cargo.lock", &pieces.concat()).is_empty());
        }
        assert!(messages("scripts/test", "--config patch.crates-io.x.path=.").is_empty());
    }

    #[test]
    fn unfinished_code_is_found_and_prose_about_it_is_not() {
        assert_eq!(messages("a/b.rs", "fn f() { todo!() }").len(), 1);
        assert_eq!(messages("a/b.rs", "fn f() { unimplemented!(\"x\") }").len(), 1);
        assert_eq!(messages("a/b.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}").len(), 1);
        assert!(
            messages("a/b.rs", "// todo!() and #[ignore]\nfn todo() { x(\"todo!\") }").is_empty()
        );
    }
}
