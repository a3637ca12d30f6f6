//! The files of a policy.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::error::PolicyError;
use crate::base::limits;

/// A file of a policy.
#[derive(Debug)]
pub(super) struct PolicyFile {
    /// Its name, which messages tell.
    pub(super) name: String,
    pub(super) text: String,
}

impl PolicyFile {
    /// Whether it holds tests, by the convention of `opa test`, and decides nothing.
    pub(super) fn holds_tests(&self) -> bool {
        self.name.ends_with("_test.rego")
    }
}

/// Reads the `.rego` files of a directory, in the order of their names. Hidden entries and other files
/// are left alone, such as those by which Kubernetes mounts a directory; what `opa` would read besides is
/// refused, for a list of the denied that is not there denies nobody.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<PolicyFile>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for (count, entry) in fs::read_dir(dir).map_err(unreadable)?.enumerate() {
        if count >= limits::POLICY_ENTRIES_MAX {
            return Err(PolicyError::TooMuch(dir.to_owned()));
        }
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if !name.starts_with(b".") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &PathBuf| read(path).transpose();
    paths.iter().filter_map(read).collect()
}

/// Reads the file if it is one of a policy.
fn read(path: &Path) -> Result<Option<PolicyFile>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable { path: path.to_owned(), source };
    let extension = path.extension().unwrap_or_default();
    // Links are followed; a pipe would keep us waiting.
    let is_file = fs::metadata(path).map_err(unreadable)?.is_file();
    let is_rego = extension == "rego";
    if !is_file || ["json", "yaml", "yml"].iter().any(|data| extension == *data) {
        return Err(PolicyError::NotRead(path.to_owned()));
    }
    if !is_rego {
        return Ok(None);
    }
    let mut text = String::new();
    let more_than_allowed = limits::POLICY_FILE_BYTES_MAX + 1;
    let file = fs::File::open(path).map_err(unreadable)?;
    let length = file.take(more_than_allowed).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(length).unwrap_or(u64::MAX) >= more_than_allowed {
        return Err(PolicyError::TooMuch(path.to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(PolicyFile { name, text }))
}
