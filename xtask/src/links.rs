//! Links between our Markdown pages lead somewhere.

use crate::finding::Finding;
use crate::tree::{Source, Tree};

pub(crate) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for source in tree.sources.iter().filter(|source| is_page(&source.path)) {
        for (line, target) in links(&source.text) {
            if let Some(wrong) = broken(tree, source, &target) {
                let message = format!("link to `{target}`, {wrong}");
                findings.push(Finding::failure(&source.path, line, message));
            }
        }
    }
}

fn is_page(path: &str) -> bool {
    path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"))
}

fn broken(tree: &Tree, source: &Source, target: &str) -> Option<String> {
    let outside = target.contains("://") || target.starts_with("mailto:");
    if outside {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path =
        if file.is_empty() { Some(source.path.clone()) } else { resolve(&source.path, file) };
    let Some(path) = path.filter(|path| path.is_empty() || tree.paths.contains(path)) else {
        return Some("no such file".to_owned());
    };
    let page = tree.sources.iter().find(|other| other.path == path && path.ends_with(".md"));
    let missing =
        !anchor.is_empty() && page.is_some_and(|page| !headings(&page.text).contains(anchor));
    missing.then(|| format!("no such heading in {path}"))
}

/// The path a relative link leads to, nothing when it leaves the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if link.starts_with('/') {
        parts.clear();
    }
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Lines outside fenced blocks, with in-line code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        fenced ^= fence;
        let parts = line.split('`').enumerate();
        let bare: Vec<&str> = parts.map(|(at, part)| if at % 2 == 0 { part } else { "" }).collect();
        (!fence && !fenced).then(|| (index + 1, bare.join("`")))
    })
}

/// `[text](target)` and `[label]: target`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, prose) in prose(text) {
        let inline = prose.match_indices("](").filter_map(|(at, mark)| {
            let tail = prose.get(at + mark.len()..)?;
            tail.split([')', ' ']).next()
        });
        let labelled = prose.starts_with('[').then(|| prose.split_once("]: ")).flatten();
        let labelled = labelled.and_then(|(_, target)| target.split(' ').next());
        let targets = inline.chain(labelled).map(|target| target.trim_matches(['<', '>']));
        found.extend(targets.filter(|target| !target.is_empty()).map(|t| (line, t.to_owned())));
    }
    found
}

/// Anchors of a page, made as the usual renderers make them.
fn headings(text: &str) -> std::collections::BTreeSet<String> {
    let mut anchors = std::collections::BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if fenced || level == 0 || level > 6 || !title.starts_with(' ') {
            continue;
        }
        let plain = title.trim().to_lowercase();
        let kept = plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = (1..).map(|n| format!("{anchor}-{n}"));
        let free =
            std::iter::once(anchor.clone()).chain(again).find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(page: &str) -> Vec<String> {
        let other = "# The Title: a `b`\n## Again\n## Again\n```\n# not one\n```\n";
        let files = [("docs/a.md", page), ("docs/adr/b.md", other), ("LICENSE-MIT", "")];
        let mut findings = Vec::new();
        check(&Tree::of(&files), &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_to_what_exists_pass() {
        let page = "# Here\n[b](adr/b.md) [t](adr/b.md#the-title-a-b) [g](adr/b.md#again-1) [h](#here)\n\
                    [l](../LICENSE-MIT) [d](adr/) [w](https://example.com/x) [root](/docs/a.md)\n\
                    ```\n[x](gone.md)\n```\n`[x](gone.md)`\n\n[ref]: adr/b.md\n";
        assert!(messages(page).is_empty(), "{:?}", messages(page));
    }

    #[test]
    fn links_to_nothing_are_refused() {
        for bad in [
            "[x](gone.md)",
            "[x](adr/b.md#gone)",
            "[x](adr/b.md#not-one)",
            "[x](#gone)",
            "[x](../../outside.md)",
            "[x]: gone.md",
        ] {
            assert_eq!(messages(bad).len(), 1, "{bad}");
        }
        let found = messages("a\n\n[x](gone.md)");
        assert!(found.iter().all(|line| line.starts_with("docs/a.md:3: ")), "{found:?}");
    }

    #[test]
    fn only_pages_are_read() {
        let mut findings = Vec::new();
        check(&Tree::of(&[("agentidp-core/README.md", "[x](gone.md)")]), &mut findings);
        assert!(findings.is_empty());
    }
}
