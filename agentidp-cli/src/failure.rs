//! What a command failed with, as a script and a person are told of it.

use std::io;
use std::path::Path;

use agentidp_core::verify::{JwkError, VerifyError};
use agentidp_core::{
    AgentError, AuditError, CredentialError, Error, ErrorCode, OrgError, TokenError,
};

use crate::output::Fields;

/// A failure: a stable code, what happened, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    hint: Option<String>,
    /// What else the document of `--json` says.
    details: Fields,
    broken_pipe: bool,
}

/// A row of the library's table, or one of those that only a command line knows.
#[derive(Debug, Clone, Copy)]
enum Code {
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

impl Failure {
    /// A failure with a row of the library's table.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Failure {
        Failure::of(Code::Library(code), message.into())
    }

    /// Arguments that do not fit together.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::of(Code::Usage, message.into())
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Failure {
        let message = format!("the file `{}` cannot be used: {error}", path.display());
        Failure::of(Code::File, message)
    }

    /// A standard stream that cannot be read or written.
    pub(crate) fn stream(name: &str, error: &io::Error) -> Failure {
        let mut failure = Failure::of(Code::File, format!("{name} cannot be used: {error}"));
        failure.broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }

    /// What the person at the terminal did not want.
    pub(crate) fn declined() -> Failure {
        Failure::of(Code::Declined, "nothing was done: it was not confirmed".to_owned())
    }

    /// What was examined is not in order.
    pub(crate) fn unhealthy(message: String) -> Failure {
        Failure::of(Code::Unhealthy, message)
    }

    fn of(code: Code, message: String) -> Failure {
        Failure { code, message, hint: None, details: Fields::default(), broken_pipe: false }
    }

    /// Gives better advice than the table can.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Lets the document of `--json` say this too.
    #[must_use]
    pub(crate) fn details(mut self, details: Fields) -> Failure {
        self.details = details;
        self
    }

    /// Whether it is only that nobody reads our output any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.code {
            Code::Library(code) => code.exit_code(),
            Code::Usage => 2,
            Code::File | Code::Declined => 1,
            Code::Unhealthy => 3,
        }
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> &str {
        match (&self.hint, self.code) {
            (Some(hint), _) => hint,
            (None, Code::Library(code)) => code.hint(),
            (None, Code::Usage) => "see agentidp --help",
            (None, Code::File) => "check the path and its permissions",
            (None, Code::Declined) => "answer `y`, or say --yes",
            (None, Code::Unhealthy) => {
                "mend what failed from the top: later checks need the earlier"
            }
        }
    }

    /// The document of `--json`.
    pub(crate) fn document(&self) -> Fields {
        let code = match self.code {
            Code::Library(code) => code.as_str(),
            Code::Usage => "usage",
            Code::File => "file_failed",
            Code::Declined => "declined",
            Code::Unhealthy => "unhealthy",
        };
        let error = Fields::default()
            .with("code", code)
            .with("message", &self.message)
            .with("hint", self.advice());
        self.details.clone().nested("error", error)
    }
}

macro_rules! failures_of {
    ($($error:ty),*) => { $(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::new(error.code(), error.to_string())
            }
        }
    )* };
}

failures_of!(
    Error,
    OrgError,
    AgentError,
    CredentialError,
    TokenError,
    AuditError,
    VerifyError,
    JwkError
);
