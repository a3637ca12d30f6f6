//! Why a policy is not taken.

use std::io;
use std::path::PathBuf;

use crate::base::limits;
use crate::error::ErrorCode;

/// A policy was refused when it was loaded: no instance is opened with it.
///
/// ```
/// use agentidp_core::{PolicyError, RegoPolicy};
/// let dir = tempfile::tempdir()?;
/// std::fs::write(dir.path().join("authz.rego"), "package agentidp.authz\nallowed := true")?;
/// assert!(matches!(RegoPolicy::from_dir(dir.path()), Err(PolicyError::NoRule)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The directory or a file in it cannot be read.
    #[error("the policy `{path}` cannot be read: {source}")]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in the directory would be left out that a reader may believe in.
    #[error("`{0}` is not read: a policy is all in the `.rego` files of one directory, data too")]
    NotRead(PathBuf),
    /// There are too many files, or one is too large.
    #[error(
        "`{0}` is too much for a policy: at most {files} entries in the directory, and {bytes} bytes in a file",
        files = limits::POLICY_ENTRIES_MAX,
        bytes = limits::POLICY_FILE_BYTES_MAX
    )]
    TooMuch(PathBuf),
    /// Brackets are nested too deep.
    #[error("the policy file `{0}` nests brackets deeper than {max}", max = limits::POLICY_DEPTH_MAX)]
    TooDeep(String),
    /// It is not Rego, or not all of it.
    #[error("the policy does not compile: {0}")]
    NotCompiled(String),
    /// No file declares the rule that is asked.
    #[error("no file of the policy declares `allow` in `package agentidp.authz`")]
    NoRule,
    /// A function that calls itself, on whatever way, would not come to an end.
    #[error("the function `{0}` of the policy calls itself, or another of its name")]
    Recursive(String),
    /// The keyword is for tests.
    #[error("the policy file `{0}` uses `with`, which is for tests alone (`*_test.rego`)")]
    With(String),
    /// A question of the trial could not be decided.
    #[error("the policy cannot decide on `{action}`: {reason}")]
    Fails {
        /// The action of the question.
        action: &'static str,
        /// What the evaluation said.
        reason: String,
    },
    /// It allows what nobody may.
    #[error("the policy allows `{action}` although {although}")]
    Opens {
        /// The action of the question.
        action: &'static str,
        /// What should have kept it from that.
        although: &'static str,
    },
    /// One of its own tests is not true.
    #[error("the test `{0}` of the policy fails")]
    TestFailed(String),
}

impl PolicyError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidInput
    }
}
