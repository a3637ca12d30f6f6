//! Agents of another installation.

use std::io::BufRead;

use crate::ops::{self, ImportError, ImportOptions, ImportReport};

use super::OrgHandle;

impl OrgHandle {
    /// Imports agents and their credentials from lines of JSON; `docs/import.md` has the format. Each
    /// line is one transaction: what is refused stores nothing, and stops none of the others.
    ///
    /// ```
    /// use agentidp_core::ImportOptions;
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let lines = br#"{"name":"invoice-bot","scopes":["tools:read"]}
    /// {"name":"report-bot","password":"secret"}"#;
    /// let report = org.import(&mut lines.as_slice(), ImportOptions::new())?;
    /// assert_eq!((report.imported, report.refused), (1, 1));
    /// assert_eq!(report.refusals[0].line, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ImportError`] when it stopped: the lines cannot be read or are too many, the caller may not
    /// import, or the database failed. What was imported before stays.
    pub fn import(
        &self,
        lines: &mut dyn BufRead,
        options: ImportOptions<'_>,
    ) -> Result<ImportReport, ImportError> {
        ops::import::import(&self.acting(), lines, options)
    }
}
