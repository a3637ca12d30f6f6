//! How the process ends.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::output::Output;

/// The exit code of a command that ended so, after its failure was told.
pub(crate) fn of(result: Result<(), Failure>, output: &Output) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read us has seen enough, as with `| head`.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Lets a write beyond the limit of a file's size (RLIMIT_FSIZE) fail, which the database reports,
/// where the signal would end the process without a word.
pub(crate) fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        let noted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        // Without the handler all is as it would have been.
        let _ = signal_hook::flag::register(SIGXFSZ, noted);
    }
}

/// 25 on Linux, macOS and the BSDs alike.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;
