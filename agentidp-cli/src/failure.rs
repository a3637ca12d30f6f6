//! What a command failed with, as a script and a person are told of it.

use std::io;
use std::path::Path;

use agentidp_core::verify::{JwkError, VerifyError};
use agentidp_core::{
    AgentError, AuditError, CredentialError, Error, ErrorCode, OrgError, SigningKeyError,
    TokenError,
};

use crate::code::Code;
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
        self.code.row().exit_code
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Its row of the library's table, if it has one.
    pub(crate) fn library_code(&self) -> Option<ErrorCode> {
        match self.code {
            Code::Library(code) => Some(code),
            _ => None,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.code.row().hint)
    }

    /// The document of `--json`.
    pub(crate) fn document(&self) -> Fields {
        let error = Fields::default()
            .with("code", self.code.row().code)
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
    SigningKeyError,
    TokenError,
    AuditError,
    VerifyError,
    JwkError
);
