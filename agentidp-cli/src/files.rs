//! Reading what arguments point to, and writing what only its owner may read.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Read, Write as _};
use std::path::Path;

use agentidp_core::SecretString;

use crate::failure::Failure;

/// Longest file or standard input that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The bytes of a file, or of standard input where the path is `-`.
///
/// # Errors
/// [`Failure`] when it cannot be read or is longer than 4 MiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        return read_all(io::stdin().lock())
            .map_err(|error| Failure::stream("standard input", &error));
    }
    let file = std::fs::File::open(path).and_then(read_all);
    file.map_err(|error| Failure::file(path, &error))
}

/// The text of a file, or of standard input where the path is `-`. What is no text in it will be
/// refused as what it is supposed to be.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
}

/// A file to be read line by line, or standard input where the path is `-`.
///
/// # Errors
/// [`Failure`] when it cannot be opened.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
    Ok(Box::new(io::BufReader::new(file)))
}

/// A secret in a file or on standard input, without the end of its line.
///
/// # Errors
/// [`Failure`] when it cannot be read or is not text.
pub(crate) fn read_secret(path: &Path) -> Result<SecretString, Failure> {
    let text = String::from_utf8(read(path)?).map_err(|_| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it is not text");
        Failure::file(path, &error)
    })?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

fn read_all(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 4 MiB"));
    }
    Ok(bytes)
}

/// Writes a new file that its owner alone can read, and forces it to the disk.
///
/// # Errors
/// [`Failure`] when it exists already or cannot be written.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = create_private(path)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| Failure::file(path, &error))
}

/// Makes a new, empty file that its owner alone can read.
///
/// # Errors
/// [`Failure`] when it exists already or cannot be made.
pub(crate) fn create_private(path: &Path) -> Result<std::fs::File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map_err(|error| Failure::file(path, &error))
}

/// Makes a directory for its owner alone, and those above it that are missing.
///
/// # Errors
/// [`Failure`] when it cannot be made.
pub(crate) fn create_private_directory(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|error| Failure::file(path, &error))
}
