//! What a check has to say about one line.

use std::fmt;

use crate::tree::Source;

/// One message. Sorted by file and line, notes among failures, so that a reader goes top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) message: String,
    pub(crate) fails: bool,
}

impl Finding {
    /// A broken rule.
    pub(crate) fn failure(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, message: message.into(), fails: true }
    }

    /// Something to ask oneself about; it stops nobody.
    pub(crate) fn note(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, message: message.into(), fails: false }
    }

    /// A broken rule at a byte offset of the file.
    pub(crate) fn at(source: &Source, offset: usize, message: impl Into<String>) -> Finding {
        Finding::failure(&source.path, source.line_of(offset), message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.fails { "" } else { "note: " };
        write!(out, "{}:{}: {note}{}", self.path, self.line, self.message)
    }
}
