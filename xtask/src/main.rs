//! Checks of the repository itself: `cargo run -p xtask -- tidy`, with the standard library alone, and
//! `cargo run -p xtask --features public-api -- api`.

#[cfg(feature = "public-api")]
mod api;
mod catalogue;
mod constraints;
mod finding;
mod floors;
mod links;
mod ranges;
mod rust_text;
mod shapes;
mod sql;
mod sql_text;
mod tree;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use finding::Finding;
use tree::Tree;

const USAGE: &str = "usage: cargo run -p xtask -- tidy [DIRECTORY]
       cargo run -p xtask --features public-api -- api [--write]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    #[cfg(feature = "public-api")]
    if let Some(outcome) = api::as_rustdoc() {
        return ended(outcome);
    }
    ended(match arguments.as_slice() {
        ["tidy"] => tidy(&workspace()),
        ["tidy", directory] => tidy(Path::new(directory)),
        #[cfg(feature = "public-api")]
        ["api"] => api::run(&workspace(), false),
        #[cfg(feature = "public-api")]
        ["api", "--write"] => api::run(&workspace(), true),
        _ => Err(std::io::Error::other(USAGE)),
    })
}

fn ended(outcome: std::io::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The exit code says the same when standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "xtask: {error}");
            ExitCode::from(2)
        }
    }
}

/// The directory above this crate's own, as `cargo run` tells it: builds of several checkouts may share one
/// binary, so the path at compile time may be another checkout's.
fn workspace() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Prints every finding and tells whether none of them was a failure.
fn tidy(root: &Path) -> std::io::Result<bool> {
    let tree = Tree::read(root)?;
    let mut findings = check(&tree);
    findings.sort();
    let failures = findings.iter().filter(|finding| finding.fails).count();
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let (files, notes) = (tree.sources.len(), findings.len() - failures);
    writeln!(out, "tidy: {files} files read, {notes} notes, {failures} failures")?;
    Ok(failures == 0)
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    floors::check(tree, &mut findings);
    shapes::check(tree, &mut findings);
    let tenant_tables = catalogue::check(tree, &mut findings);
    sql::check(tree, &tenant_tables, &mut findings);
    links::check(tree, &mut findings);
    words::check(tree, &mut findings);
    findings
}
