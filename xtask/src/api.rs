//! The library's public API as a list, so that a change of it is seen: `cargo run -p xtask --features
//! public-api -- api`, and with `--write` the list is written anew.
//!
//! Only nightly tools make rustdoc's JSON, unless `RUSTC_BOOTSTRAP` is set. It is set for rustdoc alone, by
//! naming this program as rustdoc: set for all, it would have Cargo build every dependency anew.

use std::collections::BTreeSet;
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::{Builder, PublicApi};

/// The list, below the workspace's root.
const LIST: &str = "docs/public-api.txt";
/// Tells this program, started by Cargo, that it is rustdoc.
const AS_RUSTDOC: &str = "AGENTIDP_XTASK_AS_RUSTDOC";
/// Traits that the compiler finds out by itself and whose loss nobody would mourn.
const UNTOLD_TRAITS: &[&str] =
    &["Freeze", "Unpin", "UnwindSafe", "RefUnwindSafe", "UnsafeUnpin", "StructuralPartialEq"];
/// What everybody knows of a type as soon as its `impl Clone` and the like are listed.
const UNTOLD_METHODS: &[&str] = &[
    "clone",
    "cmp",
    "default",
    "deserialize",
    "drop",
    "eq",
    "fmt",
    "from",
    "hash",
    "partial_cmp",
    "serialize",
    "source",
];

/// Compares the list with the API, or writes it. Tells whether they agree.
pub(crate) fn run(root: &Path, write: bool) -> Result<bool> {
    let found = list(&json(root)?)?;
    let path = root.join(LIST);
    let mut out = std::io::stdout().lock();
    if write {
        std::fs::write(&path, found.join("\n") + "\n")?;
        writeln!(out, "api: {} items written to {LIST}", found.len())?;
        return Ok(true);
    }
    let known = std::fs::read_to_string(&path)?;
    let known: BTreeSet<&str> = known.lines().collect();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    for gone in known.difference(&found) {
        writeln!(out, "- {gone}")?;
    }
    for new in found.difference(&known) {
        writeln!(out, "+ {new}")?;
    }
    let agree = known == found;
    let verdict =
        if agree { "as listed" } else { "not as listed: run `just api` and read the difference" };
    writeln!(out, "api: {} items, {verdict}", found.len())?;
    Ok(agree)
}

/// One line an item with its signature, sorted by paths.
fn list(json: &Path) -> Result<Vec<String>> {
    let api = Builder::from_rustdoc_json(json).omit_blanket_impls(true).build();
    let api: PublicApi = api.map_err(Error::other)?;
    // What is re-exported comes once for each of its paths, with the same words in some lines.
    let mut seen = BTreeSet::new();
    let lines = api.items().map(ToString::to_string);
    Ok(lines.filter(|line| !is_untold(line) && seen.insert(line.clone())).collect())
}

fn is_untold(line: &str) -> bool {
    let of_trait = |name: &&str| line.contains(&format!("::{name} for "));
    let method =
        |name: &&str| line.contains(&format!("::{name}(")) || line.contains(&format!("::{name}<"));
    (line.starts_with("impl") && UNTOLD_TRAITS.iter().any(of_trait))
        || (line.starts_with("pub fn") && UNTOLD_METHODS.iter().any(method))
}

/// Has rustdoc write what it knows of the library, and tells where.
fn json(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["rustdoc", "--quiet", "-p", "agentidp-core", "--lib", "--all-features", "--"])
        .args(["-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .env("RUSTDOC", std::env::current_exe()?)
        .env(AS_RUSTDOC, "1")
        .status()?;
    if !status.success() {
        return Err(Error::other("rustdoc failed"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.unwrap_or_else(|| root.join("target")).join("doc/agentidp_core.json"))
}

/// Does what rustdoc does, where Cargo takes this program for it. `None` elsewhere.
pub(crate) fn as_rustdoc() -> Option<Result<bool>> {
    std::env::var_os(AS_RUSTDOC)?;
    let mut rustdoc = Command::new("rustdoc");
    rustdoc.args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTDOC");
    Some(rustdoc.status().map(|status| status.success()))
}

#[cfg(test)]
mod tests {
    use super::is_untold;

    #[test]
    fn what_a_trait_brings_is_told_once() {
        assert!(is_untold("impl core::marker::Unpin for a::B"));
        assert!(is_untold("pub fn a::B<'c>::clone(&self) -> a::B<'c>"));
        assert!(is_untold("pub fn a::B::hash<__H: core::hash::Hasher>(&self, state: &mut __H)"));
        assert!(!is_untold("impl core::marker::Send for a::B"));
        assert!(!is_untold("impl core::clone::Clone for a::B"));
        assert!(!is_untold("pub fn a::B::from_micros(micros: i64) -> a::B"));
    }
}
