//! Entity tags: the version of a row, and what requests expect of it (RFC 9110 section 13).

use agentidp_core::{AgentError, OrgError};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::answer::Problem;

/// Most entity tags of one field.
const TAGS_MAX: usize = 16;
/// A version that no row has: rows begin with 1.
const NO_VERSION: i64 = 0;

/// The strong entity tag of a version.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// A verb that was refused because of the version of its row.
pub(crate) trait Versioned {
    /// The version that the row has, if that is why.
    fn found(&self) -> Option<i64>;
}

impl Versioned for AgentError {
    fn found(&self) -> Option<i64> {
        match self {
            AgentError::VersionConflict { found, .. } => Some(*found),
            _ => None,
        }
    }
}

impl Versioned for OrgError {
    fn found(&self) -> Option<i64> {
        match self {
            OrgError::VersionConflict { found, .. } => Some(*found),
            _ => None,
        }
    }
}

/// Runs `verb` with the version that the row must have, which is one of those in `If-Match`.
///
/// The verb compares it in its own transaction. Where several are named and the row has another than
/// the first, it is asked once more.
pub(crate) fn if_match<T, E>(
    headers: &HeaderMap,
    verb: impl Fn(Option<i64>) -> Result<T, E>,
) -> Result<T, Problem>
where
    E: Versioned,
    Problem: From<E>,
{
    let failed = |error: E| match error.found() {
        Some(_) => precondition_failed(),
        None => Problem::from(error),
    };
    let Some(tags) = tags(headers, &header::IF_MATCH)? else { return verb(None).map_err(failed) };
    let versions: Vec<i64> = tags.iter().filter_map(|tag| version_of(tag)).collect();
    // A weak tag or a foreign one is none that the row has. The verb says so, to those whom it may.
    let first = versions.first().copied().unwrap_or(NO_VERSION);
    match verb(Some(first)) {
        Err(error) => match error.found().filter(|found| versions.contains(found)) {
            Some(found) => verb(Some(found)).map_err(failed),
            None => Err(failed(error)),
        },
        done => done.map_err(failed),
    }
}

/// Whether the client has the representation of that tag already (`If-None-Match`, weak comparison).
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> Result<bool, Problem> {
    let same = |tag: &String| tag.strip_prefix("W/").unwrap_or(tag) == etag;
    Ok(match tags(headers, &header::IF_NONE_MATCH)? {
        Some(tags) => tags.iter().any(same),
        None => headers.contains_key(header::IF_NONE_MATCH),
    })
}

/// Refuses a precondition where nothing evaluates it: it must not be passed over.
pub(crate) fn no_precondition(headers: &HeaderMap) -> Result<(), Problem> {
    for name in [header::IF_MATCH, header::IF_UNMODIFIED_SINCE] {
        if headers.contains_key(&name) {
            let detail = format!("`{name}` is not evaluated here: send the request without it");
            return Err(Problem::of(StatusCode::BAD_REQUEST, "invalid_input", detail));
        }
    }
    Ok(())
}

fn precondition_failed() -> Problem {
    let detail = "it is at another version: read it again and repeat";
    Problem::of(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
}

/// The entity tags of a field; `None` where there is no field, or `*`, which every row meets.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut tags = Vec::new();
    for field in headers.get_all(name) {
        let malformed = || {
            let detail = format!("`{name}` is not a list of entity tags");
            Problem::of(StatusCode::BAD_REQUEST, "invalid_input", detail)
        };
        let field = field.to_str().map_err(|_| malformed())?.trim();
        if field == "*" {
            return Ok(None);
        }
        // Our tags hold no commas: a part of a foreign one that does is no tag of ours.
        // Empty elements are none (RFC 9110 section 5.6.1.2).
        for tag in field.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if !is_tag(tag) || tags.len() >= TAGS_MAX {
                return Err(malformed());
            }
            tags.push(tag.to_owned());
        }
    }
    Ok(headers.contains_key(name).then_some(tags))
}

/// Whether it has the form of an entity tag (RFC 9110 section 8.8.3), in ASCII.
fn is_tag(tag: &str) -> bool {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
}

/// The version of a strong tag of ours.
fn version_of(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let version: i64 = digits.parse().ok()?;
    // `"07"` is another tag than `"7"`.
    (etag(version) == tag && version > NO_VERSION).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A row at version 5.
    fn update(field: &str) -> (Result<(), u16>, Vec<Option<i64>>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, field.parse().unwrap());
        let asked = RefCell::new(Vec::new());
        let done = if_match(&headers, |expected| {
            asked.borrow_mut().push(expected);
            match expected {
                None | Some(5) => Ok(()),
                Some(expected) => Err(AgentError::VersionConflict { expected, found: 5 }),
            }
        });
        (done.map_err(|problem| problem.status().as_u16()), asked.into_inner())
    }

    #[test]
    fn one_of_the_tags_must_be_that_of_the_row() {
        assert_eq!(update("*"), (Ok(()), vec![None]));
        assert_eq!(update("\"5\""), (Ok(()), vec![Some(5)]));
        assert_eq!(update("\"4\", \"5\""), (Ok(()), vec![Some(4), Some(5)]));
        assert_eq!(update("\"x,y\"").0, Err(400));
        for other in ["\"4\"", "W/\"5\"", "\"05\"", "\"0\"", "\"-1\"", "\"five\"", "\"\"", "", ","]
        {
            assert_eq!(update(other).0, Err(412), "{other}");
        }
        let many = vec!["\"4\""; TAGS_MAX + 1].join(",");
        for malformed in ["5", "\"", "\"5\" \"6", &many] {
            assert_eq!(update(malformed), (Err(400), vec![]), "{malformed}");
        }
    }

    #[test]
    fn what_the_client_has_is_known_by_any_of_its_tags() {
        let known = |field: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, field.parse().unwrap());
            is_known(&headers, "\"5\"").map_err(|problem| problem.status().as_u16())
        };
        for field in ["\"5\"", "W/\"5\"", "\"4\", \"5\"", "*"] {
            assert_eq!(known(field), Ok(true), "{field}");
        }
        assert_eq!(known("\"4\""), Ok(false));
        assert_eq!(known("5"), Err(400));
        assert_eq!(is_known(&HeaderMap::new(), "\"5\"").ok(), Some(false));
    }
}
