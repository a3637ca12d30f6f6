//! Imports that stop, and lines that are refused.

use crate::error::ErrorCode;
use crate::import::LineRefused;

use super::AgentError;
use crate::ops::import::ImportReport;

/// An import stopped. What stands in [`ImportError::report`] is done all the same.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
/// use agentidp_core::{ErrorCode, ImportOptions};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// org.suspend()?;
/// let lines = br#"{"name":"invoice-bot"}"#;
/// let stopped = org.import(&mut lines.as_slice(), ImportOptions::new()).unwrap_err();
/// assert_eq!(stopped.code(), ErrorCode::NotActive);
/// assert_eq!(stopped.report().imported, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the import stopped at line {}: {source}", report.lines)]
pub struct ImportError {
    pub(in crate::ops) report: ImportReport,
    pub(in crate::ops) source: ImportStop,
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportStop {
    /// The lines could not be read.
    #[error("the lines cannot be read: {0}")]
    Read(std::io::Error),
    /// There are more lines than one import may have.
    #[error("there are more than {0} lines")]
    TooManyLines(u64),
    /// No agent at all may be imported, or the database failed.
    #[error(transparent)]
    Agent(AgentError),
}

impl ImportError {
    /// What was done before.
    pub fn report(&self) -> &ImportReport {
        &self.report
    }

    /// Why it stopped.
    pub fn reason(&self) -> &ImportStop {
        &self.source
    }

    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match &self.source {
            ImportStop::Read(_) | ImportStop::TooManyLines(_) => ErrorCode::InvalidInput,
            ImportStop::Agent(error) => error.code(),
        }
    }
}

/// Why one line of an import is refused.
#[derive(Debug, thiserror::Error)]
pub(in crate::ops) enum LineError {
    #[error(transparent)]
    Line(#[from] LineRefused),
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl LineError {
    pub(in crate::ops) fn code(&self) -> ErrorCode {
        match self {
            LineError::Line(refused) => refused.code(),
            LineError::Agent(error) => error.code(),
        }
    }
}
