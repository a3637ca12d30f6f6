//! The house's floors: a file uses lower floors only, and engines stay in their rooms.

use std::ops::Range;

use crate::finding::Finding;
use crate::ranges::{holds, modules};
use crate::rust_text::{RustText, is_word, leading_word, words};
use crate::tree::{Source, Tree};

const CORE: &str = "agentidp-core/src/";

/// Top-level modules of the core, lowest floor first. ARCHITECTURE.md tells what each is for.
const FLOORS: &[&[&str]] = &[
    &["base", "error", "canon"],
    &["crypto", "net"],
    &["jose", "model"],
    &["did", "oidc", "audit", "policy", "import", "verify"],
    &["store", "custody"],
    &["ops"],
    &["idp", "worker", "guide", "parsers"],
];

/// Neighbours on one floor that may use one another: (who, whom, why).
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    ("canon", "base", "the limits of every parser are in base::limits"),
    ("error", "base", "messages name identifiers and limits"),
    ("verify", "audit", "re-exports the offline verifier of audit exports"),
    ("verify", "did", "re-exports what reads documents offline"),
    ("verify", "oidc", "re-exports the offline verifier of tokens"),
    ("worker", "idp", "a tick runs on an open instance"),
];

/// Packages that are faces: they go through the handles, never through the store.
const FACES: &[&str] = &["agentidp-cli/", "agentidp-http/", "agentidp-streams/"];

/// A crate that only one place may name: (crate, what the path must start with).
const ENGINES: &[(&str, &str)] = &[
    ("rusqlite", "agentidp-core/src/store/sqlite"),
    ("sqlx", "agentidp-core/src/store/postgres"),
    ("regorus", "agentidp-core/src/policy"),
    ("ureq", "agentidp-core/src/net/ureq.rs"),
];

pub(crate) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (source, rust) in tree.rust(CORE) {
        if source.path != format!("{CORE}lib.rs") {
            check_room(source, rust, findings);
        }
    }
    for (source, rust) in tree.rust("agentidp-") {
        check_engines(source, rust, findings);
        if FACES.iter().any(|face| source.path.starts_with(face)) {
            check_face(source, rust, findings);
        }
    }
}

fn check_room(source: &Source, rust: &RustText, findings: &mut Vec<Finding>) {
    let modules_of_file = module_path(&source.path);
    let Some(room) = modules_of_file.first().copied() else { return };
    let Some(floor) = floor_of(room) else {
        let message =
            format!("module `{room}` has no floor, add it to FLOORS in xtask/src/floors.rs");
        findings.push(Finding::failure(&source.path, 1, message));
        return;
    };
    let mut uses = path_heads(&rust.code, "crate");
    uses.extend(super_heads(&rust.code, modules_of_file.len()));
    for (offset, used) in uses {
        if let Some(message) = verdict(room, floor, used) {
            findings.push(Finding::at(source, offset, message));
        }
    }
}

/// What is wrong with `room` using `used`, if anything.
fn verdict(room: &str, floor: usize, used: &str) -> Option<String> {
    if used == room {
        return None;
    }
    let Some(other) = floor_of(used) else {
        return Some(format!(
            "`crate::{used}` is not a module with a floor, name the room that defines it"
        ));
    };
    let allowed = NEIGHBOURS.iter().any(|(who, whom, _)| (*who, *whom) == (room, used));
    if other < floor || (other == floor && allowed) {
        return None;
    }
    Some(if other == floor {
        format!(
            "`{room}` uses its neighbour `{used}` on floor {floor}, only lower floors may be used"
        )
    } else {
        format!(
            "`{room}` (floor {floor}) uses `{used}` (floor {other}), only lower floors may be used"
        )
    })
}

fn check_engines(source: &Source, rust: &RustText, findings: &mut Vec<Finding>) {
    let in_src = source.path.split('/').nth(1) == Some("src");
    // The test kit starts throw-away servers and opens files behind the store's back: its purpose.
    if !in_src || source.path.starts_with("agentidp-testkit/") {
        return;
    }
    for (engine, home) in ENGINES.iter().filter(|(_, home)| !source.path.starts_with(home)) {
        for offset in words(&rust.code, engine) {
            let message = format!("names `{engine}`, which only {home}* may do");
            findings.push(Finding::at(source, offset, message));
        }
    }
}

fn check_face(source: &Source, rust: &RustText, findings: &mut Vec<Finding>) {
    for (offset, used) in path_heads(&rust.code, "agentidp_core") {
        if used == "store" {
            let message = "names `agentidp_core::store`, faces go through Idp and OrgHandle";
            findings.push(Finding::at(source, offset, message));
        }
    }
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// `agentidp-core/src/base/id.rs` is `[base, id]`, and `base/mod.rs` is `[base]`.
fn module_path(path: &str) -> Vec<&str> {
    let inner = path.strip_prefix(CORE).unwrap_or(path).trim_end_matches(".rs");
    inner.trim_end_matches("/mod").split('/').collect()
}

/// The first segments after `root::`, in paths and in use groups, with their offsets.
fn path_heads<'t>(code: &'t str, root: &'t str) -> Vec<(usize, &'t str)> {
    let mut heads = Vec::new();
    for offset in words(code, root) {
        heads_after(code, offset + root.len(), &mut heads);
    }
    heads
}

/// The first segments after a chain of `super::` that climbs to the crate root.
fn super_heads(code: &str, depth_of_file: usize) -> Vec<(usize, &str)> {
    const STEP: &str = "super::";
    let inline: Vec<Range<usize>> = modules(code);
    let mut heads = Vec::new();
    for offset in words(code, "super") {
        let continues = code.get(..offset).is_some_and(|head| head.ends_with("::"));
        let chain = code.get(offset..).unwrap_or("");
        let steps = chain.len() - chain.trim_start_matches(STEP).len();
        let inner = inline.iter().filter(|body| holds(&[(*body).clone()], offset)).count();
        if !continues && steps / STEP.len() == depth_of_file + inner {
            heads_after(code, offset + steps - "::".len(), &mut heads);
        }
    }
    heads
}

/// Adds what follows the `::` at `offset`: one segment, or the first segment of each group member.
fn heads_after<'t>(code: &'t str, offset: usize, heads: &mut Vec<(usize, &'t str)>) {
    let Some(tail) = code.get(offset..).and_then(|tail| tail.strip_prefix("::")) else { return };
    let mut push = |head_at: usize| {
        let head = leading_word(code.get(head_at..).unwrap_or(""));
        let after = code.get(head_at + head.len()..).unwrap_or("");
        // A macro of the crate lives at the root whatever file defines it.
        if !head.is_empty() && !after.starts_with('!') {
            heads.push((head_at, head));
        }
    };
    if !tail.starts_with('{') {
        push(offset + "::".len());
        return;
    }
    let (mut depth, mut member_begins) = (0_usize, false);
    for (inner, character) in tail.char_indices() {
        match character {
            '{' => {
                depth += 1;
                member_begins = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
            ',' => member_begins = depth == 1,
            _ if member_begins && is_word(character) => {
                push(offset + "::".len() + inner);
                member_begins = false;
            }
            _ => {}
        }
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

    fn in_core(path: &str, text: &str) -> Vec<String> {
        messages(&format!("{CORE}{path}"), text)
    }

    #[test]
    fn lower_floors_and_the_own_room_are_free() {
        let text = "use crate::{base::{OrgId, limits}, crypto::Sealed};\nuse crate::store::Tx;\n\
                    fn f() -> crate::audit::Leaf { super::g() }\npub(crate) struct S;";
        assert!(in_core("store/agents.rs", text).is_empty());
    }

    #[test]
    fn a_higher_floor_is_refused_in_use_in_groups_and_in_line() {
        let text = "use crate::{base::OrgId,\n    store::Tx};\nfn f() { crate::ops::g(); }";
        let found = in_core("model/agent.rs", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().any(|line| line.starts_with("agentidp-core/src/model/agent.rs:2: ")));
        assert!(found.iter().any(|line| line.contains("`ops` (floor 5)")));
    }

    #[test]
    fn comments_and_strings_use_nothing() {
        let text = "//! See [`crate::ops`].\nconst A: &str = \"crate::store\"; /* crate::idp */";
        assert!(in_core("canon.rs", text).is_empty());
    }

    #[test]
    fn neighbours_are_refused_unless_listed() {
        assert_eq!(in_core("base/id.rs", "use crate::canon::text;").len(), 1);
        assert!(in_core("canon.rs", "use crate::base::limits;").is_empty());
        assert!(in_core("verify.rs", "pub use crate::audit::Export;").is_empty());
    }

    #[test]
    fn root_re_exports_are_refused_and_root_macros_are_not() {
        assert_eq!(in_core("ops/mod.rs", "use crate::OrgId;").len(), 1);
        assert!(in_core("ops/mod.rs", "fn f() { crate::sql!(x) }").is_empty());
        assert!(in_core("lib.rs", "pub use base::OrgId; use crate::ops::x;").is_empty());
    }

    #[test]
    fn super_does_not_climb_out_of_the_room() {
        assert_eq!(in_core("canon.rs", "use super::ops::x;").len(), 1);
        assert_eq!(in_core("base/id.rs", "use super::super::ops::x;").len(), 1);
        assert!(in_core("base/id.rs", "use super::limits;").is_empty());
        assert!(in_core("base/id.rs", "mod tests { use super::super::limits; }").is_empty());
        assert_eq!(in_core("base/id.rs", "mod t { use super::super::super::ops::x; }").len(), 1);
    }

    #[test]
    fn a_module_without_a_floor_is_refused() {
        assert_eq!(in_core("cellar/wine.rs", "").len(), 1);
    }

    #[test]
    fn engines_stay_in_their_rooms() {
        let names_it = "use rusqlite::Connection; // sqlx";
        assert!(in_core("store/sqlite.rs", names_it).is_empty());
        assert!(in_core("store/sqlite/batch.rs", names_it).is_empty());
        assert_eq!(in_core("store/postgres.rs", names_it).len(), 1);
        assert_eq!(messages("agentidp-cli/src/main.rs", names_it).len(), 1);
        assert_eq!(in_core("net/guard.rs", "use ureq::Agent;").len(), 1);
        assert!(in_core("net/ureq.rs", "use ureq::Agent;").is_empty());
    }

    #[test]
    fn faces_never_see_the_store() {
        let path = "agentidp-cli/src/main.rs";
        assert!(messages(path, "use agentidp_core::{Idp, Config};").is_empty());
        assert_eq!(messages(path, "use agentidp_core::{Idp, store::Tx};").len(), 1);
        assert_eq!(messages(path, "fn f(x: agentidp_core::store::Tx) {}").len(), 1);
    }
}
