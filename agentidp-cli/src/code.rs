//! The codes that scripts may rely on: the library's, and those that only a command line knows.

use agentidp_core::ErrorCode;
use serde::Serialize;

/// A row of the library's table, or one that only a command line knows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Code {
    Library(ErrorCode),
    /// The command line itself is not right.
    Usage,
    /// A file that the command line names, or a standard stream, cannot be read or written.
    File,
    /// The person at the terminal said no.
    Declined,
    /// The instance that was examined is not in order.
    Unhealthy,
}

/// What a code stands for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// Its stable text.
    pub(crate) code: &'static str,
    /// The HTTP status that carries it; none where no server answers it.
    pub(crate) http_status: Option<u16>,
    /// The OAuth error, where one applies.
    pub(crate) oauth_error: Option<&'static str>,
    /// The process's exit code.
    pub(crate) exit_code: u8,
    /// What happened.
    pub(crate) meaning: &'static str,
    /// What to do about it.
    pub(crate) hint: &'static str,
}

impl Code {
    /// Every row, the library's first.
    pub(crate) fn rows() -> impl Iterator<Item = Row> {
        let own = [Code::Usage, Code::File, Code::Declined, Code::Unhealthy];
        ErrorCode::ALL.iter().map(|code| Code::Library(*code)).chain(own).map(Code::row)
    }

    /// The row of the code.
    pub(crate) fn row(self) -> Row {
        match self {
            Code::Library(code) => Row {
                code: code.as_str(),
                http_status: Some(code.http_status()),
                oauth_error: code.oauth_error(),
                exit_code: code.exit_code(),
                meaning: code.meaning(),
                hint: code.hint(),
            },
            Code::Usage => Row::own(
                ("usage", 2),
                "The command line itself is not right.",
                "see agentidp --help",
            ),
            Code::File => Row::own(
                ("file_failed", 1),
                "A file that the command line names, or a standard stream, cannot be read or written.",
                "check the path and its permissions",
            ),
            Code::Declined => Row::own(
                ("declined", 1),
                "It was not confirmed at the terminal, so nothing was done.",
                "answer `y`, or say --yes",
            ),
            Code::Unhealthy => Row::own(
                ("unhealthy", 3),
                "The instance that was examined is not in order.",
                "mend what failed from the top: later checks need the earlier",
            ),
        }
    }
}

impl Row {
    fn own(
        (code, exit_code): (&'static str, u8),
        meaning: &'static str,
        hint: &'static str,
    ) -> Row {
        Row { code, http_status: None, oauth_error: None, exit_code, meaning, hint }
    }
}
