//! The home of an instance: a directory with its configuration, database and key.

use std::io;
use std::path::{Path, PathBuf};

use agentidp_core::{Config, Error, ErrorCode, Idp, InstanceId, KekSource, SecretString};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::cli::Global;
use crate::database_url::DatabaseUrl;
use crate::failure::Failure;
use crate::files;

/// The newest version of config.toml that this program reads.
const SETTINGS_VERSION: i64 = 1;
const SETTINGS: &str = "config.toml";
const DATABASE: &str = "agentidp.db";
const KEK: &str = "kek.key";
/// Where a key from the environment is.
const KEK_VARIABLE: &str = "AGENTIDP_KEK";
/// Where a passphrase is, unless it is in a file.
const PASSPHRASE_VARIABLE: &str = "AGENTIDP_KEK_PASSPHRASE";

/// Opens the instance that the global flags and its home describe.
///
/// # Errors
/// [`Failure`] when there is none, or it cannot be opened as it is.
pub(crate) fn open(global: &Global) -> Result<Idp, Failure> {
    let config = Home::locate(global)?.config(global)?;
    Idp::open_existing(config.without_migrating()).map_err(missing)
}

/// A database without the instance that its home has is lost, and not to be made anew.
pub(crate) fn missing(error: Error) -> Failure {
    let code = error.code();
    let failure = Failure::from(error);
    match code {
        ErrorCode::NotInitialized => {
            failure.hint("the home has an instance: name its database, or restore it from a backup")
        }
        _ => failure,
    }
}

/// Where the key-encryption key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KekKind {
    /// kek.key in the home, made with it.
    File,
    /// The variable AGENTIDP_KEK: 32 bytes as hexadecimal digits or base64url.
    Env,
    /// A passphrase: AGENTIDP_KEK_PASSPHRASE or --kek-passphrase-file.
    Passphrase,
    /// A Vault or OpenBao server (not available yet).
    Vault,
}

/// What config.toml says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The version of this form.
    pub(crate) version: i64,
    /// The instance that the database must hold.
    pub(crate) instance: InstanceId,
    /// Its issuer.
    pub(crate) issuer: String,
    /// Its database, without a password; a relative path begins at the home.
    pub(crate) database_url: String,
    /// Where its key-encryption key comes from.
    pub(crate) kek: KekKind,
}

impl Settings {
    /// The settings of a new instance.
    pub(crate) fn new(instance: InstanceId, issuer: &str, url: String, kek: KekKind) -> Settings {
        let version = SETTINGS_VERSION;
        Settings { version, instance, issuer: issuer.to_owned(), database_url: url, kek }
    }

    fn parse(text: &str, path: &Path) -> Result<Settings, Failure> {
        let refuse = |error: &toml::de::Error| {
            let message = format!("`{}` cannot be read: {}", path.display(), error.message());
            Failure::new(ErrorCode::ConfigInvalid, message)
        };
        // The version first: a newer form may have fields that this program does not know.
        let table: toml::Table = text.parse().map_err(|error| refuse(&error))?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(newer) if newer > SETTINGS_VERSION => {
                let message = format!(
                    "`{}` has version {newer}, and this program knows {SETTINGS_VERSION}",
                    path.display()
                );
                return Err(Failure::new(ErrorCode::SchemaMismatch, message)
                    .hint("use the version of agentidp that made this home, or a newer one"));
            }
            Some(SETTINGS_VERSION) | None => {}
            Some(other) => {
                let message = format!("`{}` has the unknown version {other}", path.display());
                return Err(Failure::new(ErrorCode::ConfigInvalid, message));
            }
        }
        table.try_into().map_err(|error| refuse(&error))
    }
}

/// The directory of an instance.
#[derive(Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The home that the flags, the environment or the custom of the system name.
    ///
    /// # Errors
    /// [`Failure`] when none of them does.
    pub(crate) fn locate(global: &Global) -> Result<Home, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let data =
            || variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let user = || variable("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        let chosen = global.home.clone().filter(|home| !home.as_os_str().is_empty());
        let home = chosen.or_else(|| data().or_else(user).map(|data| data.join("agentidp")));
        home.map_or_else(
            || {
                let failure = Failure::new(ErrorCode::ConfigInvalid, "there is no home directory");
                Err(failure.hint("say where the instance lives: --home DIR or AGENTIDP_HOME"))
            },
            |home| Home::at(&home),
        )
    }

    /// The home in that directory.
    ///
    /// # Errors
    /// [`Failure`] when the working directory is gone.
    pub(crate) fn at(directory: &Path) -> Result<Home, Failure> {
        let absolute = std::path::absolute(directory);
        Ok(Home(absolute.map_err(|error| Failure::file(directory, &error))?))
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// Where its settings are.
    pub(crate) fn settings_path(&self) -> PathBuf {
        self.0.join(SETTINGS)
    }

    /// Where the key-encryption key is, if it is in a file.
    pub(crate) fn kek_path(&self) -> PathBuf {
        self.0.join(KEK)
    }

    /// The database of an instance that says nothing else.
    pub(crate) fn default_database() -> String {
        format!("sqlite:{DATABASE}")
    }

    /// What it says in config.toml.
    ///
    /// # Errors
    /// [`Failure`] when there is no instance here, or its settings are not ours to read.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let path = self.settings_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => Settings::parse(&text, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("there is no instance in `{}`", self.0.display());
                Err(Failure::new(ErrorCode::NotInitialized, message))
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.display());
                Err(Failure::new(ErrorCode::ConfigInvalid, message))
            }
        }
    }

    /// How to open the instance: what the flags and variables say, else what config.toml says.
    ///
    /// # Errors
    /// [`Failure`] when there is no instance here, or what is said cannot be used.
    pub(crate) fn config(&self, global: &Global) -> Result<Config, Failure> {
        let settings = self.settings()?;
        let database = self.database(&settings, global)?;
        Ok(database
            .config()?
            .kek(self.kek(settings.kek, global)?)
            .instance(settings.instance)
            .issuer(settings.issuer))
    }

    /// The database that counts.
    ///
    /// # Errors
    /// [`Failure`] when the URL is not one of ours.
    pub(crate) fn database(
        &self,
        settings: &Settings,
        global: &Global,
    ) -> Result<DatabaseUrl, Failure> {
        match chosen_database(global)? {
            Some(url) => Ok(url),
            None => DatabaseUrl::parse(&settings.database_url, &self.0),
        }
    }

    /// Where the key-encryption key comes from.
    ///
    /// # Errors
    /// [`Failure`] when a passphrase is needed and not there.
    pub(crate) fn kek(&self, kind: KekKind, global: &Global) -> Result<KekSource, Failure> {
        Ok(match kind {
            KekKind::File => KekSource::file(self.kek_path()),
            KekKind::Env => KekSource::env(KEK_VARIABLE),
            KekKind::Passphrase => KekSource::passphrase(passphrase(global)?),
            KekKind::Vault => {
                let message = "a key-encryption key in Vault is not available yet";
                return Err(Failure::new(ErrorCode::ConfigInvalid, message)
                    .hint("use --kek file, --kek env or --kek passphrase"));
            }
        })
    }
}

/// The database that a flag or variable names; a relative path begins where we are.
///
/// # Errors
/// [`Failure`] when the URL is not one of ours.
pub(crate) fn chosen_database(global: &Global) -> Result<Option<DatabaseUrl>, Failure> {
    let url = global.database_url.as_deref().filter(|url| !url.is_empty());
    url.map(|url| DatabaseUrl::parse(url, Path::new(""))).transpose()
}

fn passphrase(global: &Global) -> Result<SecretString, Failure> {
    if let Some(path) = &global.kek_passphrase_file {
        return files::read_secret(path);
    }
    let text = std::env::var(PASSPHRASE_VARIABLE).map_err(|_| {
        let message = "the passphrase of the key-encryption key is missing";
        Failure::new(ErrorCode::KekUnavailable, message)
            .hint(format!("supply it in {PASSPHRASE_VARIABLE} or with --kek-passphrase-file PATH"))
    })?;
    Ok(SecretString::new(text))
}
