//! The directory of a quickstart. Only what a quickstart made in it is ever removed.

use std::io;
use std::path::{Path, PathBuf};

use agentidp_core::ErrorCode;

use crate::failure::Failure;
use crate::files;
use crate::home::Home;

/// Tells a quickstart from anything else.
const MARKER: &str = ".agentidp-quickstart";
const JWKS: &str = "jwks.json";
const SECRET: &str = "client-secret";
const TOKEN: &str = "access-token";

/// What a quickstart leaves, which the next one replaces.
const LEFT: [&str; 9] = [
    "config.toml",
    "config.toml.new",
    "agentidp.db",
    "agentidp.db-wal",
    "agentidp.db-shm",
    "kek.key",
    JWKS,
    SECRET,
    TOKEN,
];

/// A directory that is ours to use.
pub(super) struct Directory(Home);

impl Directory {
    /// Makes the directory, or clears an earlier quickstart out of it.
    pub(super) fn prepare(path: &Path) -> Result<Directory, Failure> {
        let home = Home::at(path)?;
        let failed = |error: io::Error| Failure::file(path, &error);
        let marker = home.directory().join(MARKER);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files::create_private_directory(path)?;
                files::write_private(&marker, b"made by agentidp quickstart\n")?;
            }
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.is_dir() => return Err(foreign(path)),
            Ok(_) if is_file(&marker) => clear(home.directory())?,
            Ok(_) if std::fs::read_dir(path).map_err(failed)?.next().is_none() => {
                files::write_private(&marker, b"made by agentidp quickstart\n")?;
            }
            Ok(_) => return Err(foreign(path)),
        }
        Ok(Directory(home))
    }

    pub(super) fn home(&self) -> &Home {
        &self.0
    }

    pub(super) fn shown(&self) -> String {
        self.0.directory().display().to_string()
    }

    pub(super) fn jwks(&self) -> PathBuf {
        self.0.directory().join(JWKS)
    }

    pub(super) fn secret(&self) -> PathBuf {
        self.0.directory().join(SECRET)
    }

    pub(super) fn token(&self) -> PathBuf {
        self.0.directory().join(TOKEN)
    }
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

fn clear(directory: &Path) -> Result<(), Failure> {
    for name in LEFT {
        let path = directory.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::file(&path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn foreign(path: &Path) -> Failure {
    let message = format!("`{}` is there and is no earlier quickstart", path.display());
    Failure::new(ErrorCode::InvalidInput, message).hint("choose another directory: --dir D")
}
