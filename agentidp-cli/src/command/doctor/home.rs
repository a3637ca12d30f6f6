//! What the home itself tells: who may do what in it, its settings, room on its disk.

use std::fs::Metadata;
use std::path::Path;

use agentidp_core::{Config, HealthCheck, HealthStatus};

use crate::cli::Global;
use crate::database_url::DatabaseUrl;
use crate::failure::Failure;
use crate::home::{Home, KekKind, Settings, chosen_database};

use super::failed;

/// Free space below which writing will soon fail, and below which somebody should make room.
#[cfg(unix)]
const FREE_MIB: (u64, u64) = (64, 1024);

/// Looks at the home, and tells how to look at the instance that it describes. Where its settings
/// cannot be read, at the one that a new home would have.
pub(super) fn look(home: &Home, global: &Global) -> (Vec<HealthCheck>, Option<Config>) {
    let settings = home.settings();
    let mut checks = vec![directory(home), config(home, settings.as_ref())];
    let settings = settings.ok();
    let database = match &settings {
        Some(settings) => home.database(settings, global),
        None => chosen_database(global).and_then(|chosen| match chosen {
            Some(url) => Ok(url),
            None => DatabaseUrl::parse(&Home::default_database(), home.directory()),
        }),
    };
    checks.extend(disk(database.as_ref().ok(), home));
    checks.extend(database.as_ref().ok().and_then(DatabaseUrl::file).and_then(database_file));
    let config = match database.and_then(|database| database.config()) {
        Ok(config) => config,
        Err(failure) => {
            checks.push(failed("database", &failure));
            return (checks, None);
        }
    };
    let config = with_key(config, home, settings.as_ref(), global, &mut checks);
    (
        checks,
        Some(match settings {
            Some(settings) => config.instance(settings.instance).issuer(settings.issuer),
            None => config,
        }),
    )
}

fn with_key(
    config: Config,
    home: &Home,
    settings: Option<&Settings>,
    global: &Global,
    checks: &mut Vec<HealthCheck>,
) -> Config {
    let kind = match settings {
        Some(settings) => settings.kek,
        None if home.kek_path().exists() => KekKind::File,
        None => return config,
    };
    match home.kek(kind, global) {
        Ok(source) => config.kek(source),
        Err(failure) => {
            checks.push(failed("kek", &failure));
            config
        }
    }
}

fn directory(home: &Home) -> HealthCheck {
    const NAME: &str = "home";
    let path = home.directory();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let shown = path.display().to_string();
            foreign(NAME, &shown, &metadata)
                .or_else(|| open_to_others(NAME, path, &metadata, "700"))
                .unwrap_or_else(|| HealthCheck::ok(NAME, shown))
        }
        Ok(_) => failed(NAME, &Failure::file(path, &std::io::ErrorKind::NotADirectory.into())),
        Err(error) => {
            let failure = Failure::file(path, &error);
            failed(NAME, &failure.hint("name the home, --home DIR, or make one: agentidp init"))
        }
    }
}

fn config(home: &Home, settings: Result<&Settings, &Failure>) -> HealthCheck {
    const NAME: &str = "config";
    let path = home.settings_path();
    match settings {
        Err(failure) => failed(NAME, failure),
        Ok(settings) => std::fs::metadata(&path)
            .ok()
            .and_then(|metadata| open_to_others(NAME, &path, &metadata, "600"))
            .unwrap_or_else(|| HealthCheck::ok(NAME, format!("of instance {}", settings.instance))),
    }
}

/// A database file that others have access to. One that is missing, the library tells of.
fn database_file(path: &Path) -> Option<HealthCheck> {
    const NAME: &str = "database-file";
    let metadata = std::fs::metadata(path).ok()?;
    let alone = || HealthCheck::ok(NAME, path.display().to_string());
    Some(open_to_others(NAME, path, &metadata, "600").unwrap_or_else(alone))
}

/// Says so where others than the owner may write to a file or directory, or read it.
#[cfg(unix)]
fn open_to_others(
    name: &'static str,
    path: &Path,
    metadata: &Metadata,
    wanted: &str,
) -> Option<HealthCheck> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    // A private directory shields what is in it.
    let shielded = path.parent().and_then(|directory| std::fs::metadata(directory).ok());
    let shielded = metadata.is_file()
        && shielded.is_some_and(|directory| directory.permissions().mode() & 0o077 == 0);
    let detail = |what: &str| format!("others {what} `{}` (mode {mode:04o})", path.display());
    let hint = format!("chmod {wanted} {}", path.display());
    match mode {
        _ if shielded => None,
        _ if mode & 0o022 != 0 => Some(HealthCheck::failed(name, detail("may write to"), hint)),
        _ if mode & 0o077 != 0 => Some(HealthCheck::warning(name, detail("have access to"), hint)),
        _ => None,
    }
}

#[cfg(not(unix))]
fn open_to_others(_: &'static str, _: &Path, _: &Metadata, _: &str) -> Option<HealthCheck> {
    None
}

/// Says so where the home belongs to somebody else than we are: what we make in it, a log beside
/// the database, its owner could not use.
#[cfg(unix)]
fn foreign(name: &'static str, shown: &str, metadata: &Metadata) -> Option<HealthCheck> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let detail = format!("`{shown}` belongs to user {owner}, and this runs as {own}");
    (owner != own)
        .then(|| HealthCheck::warning(name, detail, "run agentidp as the user that owns the home"))
}

#[cfg(not(unix))]
fn foreign(_: &'static str, _: &str, _: &Metadata) -> Option<HealthCheck> {
    None
}

/// Says so where a key file that can be used belongs to another than the home does.
pub(super) fn key_owner(home: &Home, checks: &mut [HealthCheck]) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let owner = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.uid());
        let (key, directory) = (owner(&home.kek_path()), owner(home.directory()));
        let kek = checks.iter_mut().find(|check| check.name == "kek");
        if let (Some(key), Some(directory), Some(kek)) = (key, directory, kek)
            && key != directory
            && kek.status == HealthStatus::Ok
        {
            let path = home.kek_path();
            let detail =
                format!("`{}` belongs to user {key}, the home to {directory}", path.display());
            let hint = format!("chown {directory} {}", path.display());
            *kek = HealthCheck::warning("kek", detail, hint);
        }
    }
    #[cfg(not(unix))]
    let _ = (home, checks);
}

/// Room where the database grows.
#[cfg(unix)]
fn disk(database: Option<&DatabaseUrl>, home: &Home) -> Option<HealthCheck> {
    const NAME: &str = "disk";
    const HINT: &str = "make room on the disk: without it nothing can be written";
    let file = database.and_then(DatabaseUrl::file).and_then(Path::parent);
    let volume = rustix::fs::statvfs(file.unwrap_or(home.directory())).ok()?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize) / (1024 * 1024);
    let detail = format!("{free} MiB free");
    Some(match free {
        _ if free < FREE_MIB.0 => HealthCheck::failed(NAME, detail, HINT),
        _ if free < FREE_MIB.1 => HealthCheck::warning(NAME, detail, HINT),
        _ => HealthCheck::ok(NAME, detail),
    })
}

#[cfg(not(unix))]
fn disk(_: Option<&DatabaseUrl>, _: &Home) -> Option<HealthCheck> {
    None
}
