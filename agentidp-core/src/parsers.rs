//! The parsers of foreign bytes that nothing else exports, for the fuzzers alone: no part of the
//! interface.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::io::BufRead;

use crate::base::{AgentId, OrgId, SecretBytes, Timestamp};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::base::{Cursor, IdError, PageRequest};
use crate::crypto::{KekError, parse_kek};
use crate::jose::VerifyError;
use crate::model::{Agent, Invalid, NewAgent};
use crate::oidc::{ProvenKey, ProvenRequest, proven_key};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::ops::audit::first_of;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::ops::import_lines::{Line, Lines};

/// The agent that would be registered in the system organization.
///
/// # Errors
/// [`Invalid`] when a value breaks a rule.
pub fn agent(new: NewAgent) -> Result<Agent, Invalid> {
    new.build(AgentId::nil(), OrgId::system(), String::new(), Timestamp::from_seconds(0))
}

/// Verifies what is behind the good signature of a proof.
///
/// # Errors
/// [`VerifyError`] when anything is not as it should be.
pub fn dpop_claims(
    payload: &[u8],
    request: ProvenRequest<'_>,
    now: Timestamp,
) -> Result<ProvenKey, VerifyError> {
    proven_key(payload, "jkt".to_owned(), request, now)
}

/// The key-encryption key in the text of a file.
///
/// # Errors
/// [`KekError::Format`] when it is none.
pub fn kek(text: &str) -> Result<SecretBytes, KekError> {
    parse_kek(text, "file")
}

/// The lines of an import; `None` is one that is too long.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub fn import_lines(source: &mut dyn BufRead) -> Vec<Option<Vec<u8>>> {
    let (mut lines, mut read) = (Lines::new(source), Vec::new());
    while let Ok(Some(line)) = lines.next() {
        read.push(match line {
            Line::Text(text) => Some(text.to_vec()),
            Line::TooLong => None,
        });
    }
    read
}

/// The number of the entry at which a page of the trail begins.
///
/// # Errors
/// [`IdError`] when it is no number.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub fn trail_cursor(text: &str) -> Result<u64, IdError> {
    first_of(&PageRequest::first().after(Cursor::new(text)))
}
