//! Making an instance and its home: all of it or nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use agentidp_core::{ErrorCode, Idp};

use crate::cli::Global;
use crate::database_url::DatabaseUrl;
use crate::failure::Failure;
use crate::files;
use crate::home::{Home, KekKind, Settings, chosen_database};

/// What was made.
pub(crate) struct Made {
    /// The instance, open.
    pub(crate) idp: Idp,
    /// Its database.
    pub(crate) database: DatabaseUrl,
}

/// Makes an instance in `home`, and the home where it is missing.
///
/// # Errors
/// [`Failure`] when there is an instance already, or it cannot be made; then nothing is left of it.
pub(crate) fn make(
    home: &Home,
    issuer: &str,
    kek: KekKind,
    global: &Global,
) -> Result<Made, Failure> {
    let source = home.kek(kek, global)?;
    let chosen = chosen_database(global)?;
    let stored = chosen.as_ref().map_or_else(Home::default_database, DatabaseUrl::shown);
    let database = match chosen {
        Some(url) => url,
        None => DatabaseUrl::parse(&stored, home.directory())?,
    };
    let config = database.config()?;
    // Dropped in reverse: the files go while the lock is held, the directories after it.
    let mut directories = Undo::default();
    directories.make_directory(home.directory())?;
    // Who does not get the lock must not remove what another has just made.
    let _lock = lock(home.directory()).inspect_err(|_| directories.keep_all())?;
    let mut undo = Undo::default();
    refuse_second(home)?;
    // Making the settings first: where they cannot be written, no instance is made.
    let draft = home.directory().join("config.toml.new");
    undo.own(&draft);
    // Left by an init that was killed: the lock says that nobody works on it.
    let _ = std::fs::remove_file(&draft);
    let mut draft_file = files::create_private(&draft).map_err(unwritable)?;
    undo.own_if_new(&home.kek_path());
    if let Some(path) = database.file() {
        undo.own_database_if_new(path);
    }
    let new_file = database.file().is_some_and(|path| !path.exists());
    let idp = Idp::create(config.kek(source).issuer(issuer)).inspect_err(|error| {
        // The connection may have broken after the instance was made: it would need its key.
        if !new_file && error.code() == ErrorCode::DatabaseFailed {
            undo.disown(&home.kek_path());
        }
    })?;
    let settings = Settings::new(idp.status().instance_id, issuer, stored, kek);
    if !new_file {
        // The instance is in a database that we cannot take it out of again: keep its key.
        undo.disown(&home.kek_path());
    }
    let text = toml::to_string(&settings).map_err(|error| {
        Failure::new(ErrorCode::Internal, format!("the settings cannot be written: {error}"))
    })?;
    draft_file
        .write_all(text.as_bytes())
        .and_then(|()| draft_file.sync_all())
        .and_then(|()| std::fs::rename(&draft, home.settings_path()))
        .and_then(|()| File::open(home.directory())?.sync_all())
        .map_err(|error| Failure::file(&home.settings_path(), &error))?;
    undo.keep_all();
    directories.keep_all();
    Ok(Made { idp, database })
}

fn refuse_second(home: &Home) -> Result<(), Failure> {
    if home.settings_path().symlink_metadata().is_err() {
        return Ok(());
    }
    let message = format!("there is an instance in `{}` already", home.directory().display());
    Err(Failure::new(ErrorCode::AlreadyInitialized, message))
}

/// Keeps a second `init` out of the same home. The lock ends with the process.
fn lock(directory: &Path) -> Result<File, Failure> {
    let file = File::open(directory).map_err(|error| Failure::file(directory, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            let message = format!("another init is at work in `{}`", directory.display());
            Err(Failure::new(ErrorCode::DatabaseBusy, message))
        }
    }
}

fn unwritable(failure: Failure) -> Failure {
    failure.hint("choose a home that you may write to: --home DIR or AGENTIDP_HOME")
}

/// What has been made so far, to be taken back unless all of it succeeds.
#[derive(Default)]
struct Undo {
    files: Vec<PathBuf>,
    /// The innermost first.
    directories: Vec<PathBuf>,
}

impl Undo {
    /// Makes a directory for its owner alone, and those above it that are missing.
    fn make_directory(&mut self, path: &Path) -> Result<(), Failure> {
        let missing = |path: &&Path| path.symlink_metadata().is_err();
        self.directories.extend(path.ancestors().take_while(missing).map(Path::to_owned));
        files::create_private_directory(path).map_err(unwritable)
    }

    fn own(&mut self, path: &Path) {
        self.files.push(path.to_owned());
    }

    fn own_if_new(&mut self, path: &Path) {
        if path.symlink_metadata().is_err() {
            self.own(path);
        }
    }

    /// Owns a database file and what SQLite keeps beside it.
    fn own_database_if_new(&mut self, path: &Path) {
        if path.symlink_metadata().is_ok() {
            return;
        }
        for suffix in ["-wal", "-shm", "-journal", ""] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            self.own(Path::new(&name));
        }
    }

    fn disown(&mut self, path: &Path) {
        self.files.retain(|own| own != path);
    }

    fn keep_all(&mut self) {
        self.files.clear();
        self.directories.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        // Only empty directories go: somebody else may have put something there.
        for directory in &self.directories {
            let _ = std::fs::remove_dir(directory);
        }
    }
}
