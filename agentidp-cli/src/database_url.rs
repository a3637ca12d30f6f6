//! `sqlite:PATH` and `postgres://..`.

use std::path::{Path, PathBuf};

use agentidp_core::{Config, ErrorCode};
use url::Url;

use crate::failure::Failure;

/// Where the data lives. It has no `Debug`: a PostgreSQL URL may hold a password.
pub(crate) enum DatabaseUrl {
    /// A file, by its absolute path.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Url),
}

impl DatabaseUrl {
    /// Reads a URL. A relative path begins at `base`, or where we are when that is empty.
    ///
    /// # Errors
    /// [`Failure`] when it is not one of ours. It never repeats the URL of a server.
    pub(crate) fn parse(text: &str, base: &Path) -> Result<DatabaseUrl, Failure> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let refused = path.is_empty()
                || path.starts_with(':')
                || path.contains('?')
                || (path.starts_with("//") && !path.starts_with("///"));
            if refused {
                let message = format!("the database URL `{text}` does not name a file");
                return Err(invalid(message));
            }
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            let absolute = std::path::absolute(base.join(path));
            return Ok(DatabaseUrl::Sqlite(absolute.map_err(|error| Failure::file(path, &error))?));
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => {
                Ok(DatabaseUrl::Postgres(url))
            }
            _ => Err(invalid("the database URL is neither sqlite: nor postgres:".to_owned())),
        }
    }

    /// The URL as it may be stored and shown: without a password.
    pub(crate) fn shown(&self) -> String {
        match self {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => {
                let mut url = url.clone();
                // Refused only where a URL has no host, and then it has no password either.
                let _ = url.set_password(None);
                if self.has_password_parameter() {
                    let kept: Vec<_> = url.query_pairs().into_owned().filter(is_public).collect();
                    url.query_pairs_mut().clear().extend_pairs(kept);
                }
                url.to_string()
            }
        }
    }

    /// Whether [`DatabaseUrl::shown`] leaves something out.
    pub(crate) fn has_password(&self) -> bool {
        match self {
            DatabaseUrl::Sqlite(_) => false,
            DatabaseUrl::Postgres(url) => url.password().is_some() || self.has_password_parameter(),
        }
    }

    fn has_password_parameter(&self) -> bool {
        match self {
            DatabaseUrl::Sqlite(_) => false,
            DatabaseUrl::Postgres(url) => url.query_pairs().into_owned().any(|p| !is_public(&p)),
        }
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            DatabaseUrl::Sqlite(path) => Some(path),
            DatabaseUrl::Postgres(_) => None,
        }
    }

    /// An instance in this database.
    ///
    /// # Errors
    /// [`Failure`] when this program was built without the engine.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        match self {
            DatabaseUrl::Sqlite(path) => Ok(Config::sqlite(path)),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => Ok(Config::postgres(url.as_str())),
            #[cfg(not(feature = "postgres"))]
            DatabaseUrl::Postgres(_) => {
                let message = "this agentidp was built without PostgreSQL";
                Err(Failure::new(ErrorCode::ConfigInvalid, message)
                    .hint("build it with: cargo install agentidp-cli --features postgres"))
            }
        }
    }
}

fn is_public(parameter: &(String, String)) -> bool {
    parameter.0 != "password"
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorCode::ConfigInvalid, message)
        .hint("write sqlite:PATH or postgres://USER@HOST/DATABASE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        DatabaseUrl::parse(text, Path::new("/home")).ok().map(|url| url.shown())
    }

    #[test]
    fn a_path_is_absolute_or_begins_at_the_base() {
        assert_eq!(shown("sqlite:a.db").unwrap(), "sqlite:/home/a.db");
        assert_eq!(shown("sqlite:/x/a.db").unwrap(), "sqlite:/x/a.db");
        assert_eq!(shown("sqlite:///x/a.db").unwrap(), "sqlite:/x/a.db");
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://u:canary@h:5433/d?password=canary&sslmode=require";
        assert_eq!(shown(url).unwrap(), "postgres://u@h:5433/d?sslmode=require");
        assert_eq!(shown("postgresql://u:canary@h/d").unwrap(), "postgresql://u@h/d");
        assert_eq!(shown("postgres:///d?host=%2Frun").unwrap(), "postgres:///d?host=%2Frun");
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for text in
            ["", "x", "mysql://h/d", "sqlite:", "sqlite::memory:", "sqlite://x/a.db", "sqlite:a?b"]
        {
            assert!(shown(text).is_none(), "{text}");
        }
    }
}
