//! The files of the repository, read once, with Rust sources already split into code and strings.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::rust_text::{RustText, split};

/// Made by builds and runs, never by hand.
const SKIPPED_DIRECTORIES: &[&str] = &["target", "node_modules", "dist", "agentidp-quickstart"];
/// Hidden directories are skipped but for these.
const HIDDEN_BUT_OURS: &[&str] = &[".ci", ".config", ".github"];

/// Everything the checks look at.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Files that are UTF-8 text.
    pub(crate) sources: Vec<Source>,
    /// Every file and directory, relative to the root, for links.
    pub(crate) paths: BTreeSet<String>,
}

impl Tree {
    /// Reads all below `root`.
    pub(crate) fn read(root: &Path) -> io::Result<Tree> {
        let mut tree = Tree::default();
        tree.descend(root, "")?;
        tree.sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn descend(&mut self, directory: &Path, prefix: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let metadata = std::fs::metadata(entry.path());
            let is_symlink = entry.file_type()?.is_symlink();
            // A link's target is read where it really lives; a dangling link has no metadata.
            match metadata {
                Ok(found) if found.is_dir() && !is_symlink => {
                    let hidden = name.starts_with('.') && !HIDDEN_BUT_OURS.contains(&name.as_str());
                    if !hidden && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
                        self.paths.insert(path.clone());
                        self.descend(&entry.path(), &format!("{path}/"))?;
                    }
                }
                // In a second work tree `.git` is a file that names the first.
                Ok(found) if found.is_file() && !is_symlink && name != ".git" => {
                    self.paths.insert(path.clone());
                    if let Ok(text) = std::fs::read_to_string(entry.path()) {
                        self.sources.push(Source::new(path, text));
                    }
                }
                Ok(_) => {
                    self.paths.insert(path);
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The Rust sources whose path starts with `prefix`, with their split text.
    pub(crate) fn rust<'t>(
        &'t self,
        prefix: &'t str,
    ) -> impl Iterator<Item = (&'t Source, &'t RustText)> {
        self.sources
            .iter()
            .filter(move |source| source.path.starts_with(prefix))
            .filter_map(|source| source.rust.as_ref().map(|rust| (source, rust)))
    }

    /// A tree out of snippets, for the tests of the checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            for (slash, _) in path.match_indices('/') {
                tree.paths.extend(path.get(..slash).map(str::to_owned));
            }
            tree.paths.insert((*path).to_owned());
            tree.sources.push(Source::new((*path).to_owned(), (*text).to_owned()));
        }
        tree
    }
}

/// One text file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Present in `.rs` files.
    pub(crate) rust: Option<RustText>,
}

impl Source {
    fn new(path: String, text: String) -> Source {
        let rust = path.ends_with(".rs").then(|| split(&text));
        Source { path, text, rust }
    }

    /// The line, from 1, of a byte offset.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// Whether the file holds unit tests only (`tests.rs`, `x_tests.rs`, or a `tests` directory).
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
            || self.path.contains("/tests/")
    }
}
