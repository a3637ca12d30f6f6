//! An audit entry: canonical JSON (RFC 8785), stored as it was hashed and never written again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{AgentId, EventId, JsonObject, OrgId, Timestamp, limits};
use crate::canon::{self, CanonError};
use crate::crypto::sha256;
use crate::model::Issuer;

/// How the operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused; nothing but this entry was written.
    Refused,
}

impl Outcome {
    /// The text in an entry.
    fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Refused => "refused",
        }
    }
}

/// A value in an entry: what has exactly one canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Datum<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A count or a time in seconds. Readers of JSON have integers below 2^53 exactly, so no more is
    /// ever told.
    Int(i64),
    /// A flag.
    Flag(bool),
    /// Several texts.
    List(Vec<Cow<'a, str>>),
}

impl<'a> From<&'a str> for Datum<'a> {
    fn from(text: &'a str) -> Datum<'a> {
        Datum::Text(Cow::Borrowed(text))
    }
}

impl Datum<'_> {
    /// Writes it as the member `name`.
    fn write(&self, name: &str, data: &mut JsonObject) {
        match self {
            Datum::Text(text) => data.text(name, text),
            Datum::Int(int) => data.bare(name, int),
            Datum::Flag(flag) => data.bare(name, flag),
            Datum::List(texts) => data.texts(name, texts),
        }
    }
}

impl From<String> for Datum<'_> {
    fn from(text: String) -> Self {
        Datum::Text(Cow::Owned(text))
    }
}

impl From<u32> for Datum<'_> {
    fn from(int: u32) -> Self {
        Datum::Int(i64::from(int))
    }
}

impl From<i64> for Datum<'_> {
    fn from(int: i64) -> Self {
        const EXACT: i64 = (1 << 53) - 1;
        Datum::Int(int.clamp(-EXACT, EXACT))
    }
}

/// An entry before it is stored.
///
/// Its members: `v` (format version 1), `log` (the origin of the log it belongs to), `event_id`,
/// `time`, `type`, `outcome`, `actor` (who did it, where known), `target` (what it was done to),
/// `data` (what else is public), `fields` (salted commitments to personal values).
///
/// The fields stand in the order of RFC 8785, names are ASCII, and values have one form each, so
/// that writing them as they stand is writing them canonically; a test compares.
#[derive(Debug, Clone, Serialize)]
pub struct Entry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<&'static str, Datum<'a>>,
    event_id: &'a EventId,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'static str, String>,
    log: &'a str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    time: Timestamp,
    #[serde(rename = "type")]
    event_type: &'a str,
    v: u8,
}

/// An entry cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// It has no canonical form.
    #[error("an audit entry has no canonical form: {0}")]
    Canon(#[from] CanonError),
    /// It is longer than the format allows.
    #[error("an audit entry of {size} bytes is longer than the limit of 65535")]
    TooLong {
        /// Its length in bytes.
        size: usize,
    },
}

impl<'a> Entry<'a> {
    /// An entry of `event_type` in the log named `log`.
    pub fn new(
        log: &'a str,
        event_id: &'a EventId,
        time: Timestamp,
        event_type: &'a str,
        outcome: Outcome,
    ) -> Entry<'a> {
        Entry {
            v: 1,
            log,
            event_id,
            time,
            event_type,
            outcome,
            actor: None,
            target: None,
            data: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }

    /// Who did it.
    #[must_use]
    pub fn actor(mut self, actor: Option<&'a str>) -> Entry<'a> {
        self.actor = actor;
        self
    }

    /// What it was done to.
    #[must_use]
    pub fn target(mut self, target: Option<&'a str>) -> Entry<'a> {
        self.target = target;
        self
    }

    /// Something else worth telling that is neither secret nor personal.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Datum<'a>>) -> Entry<'a> {
        self.data.insert(name, value.into());
        self
    }

    /// A personal value, told only as the commitment to it: SHA-256(0x02, salt, canonical value).
    ///
    /// # Errors
    /// [`EntryError`] when the value has no canonical form.
    pub fn committed(
        mut self,
        name: &'static str,
        salt: &[u8; 16],
        value: &Value,
    ) -> Result<Entry<'a>, EntryError> {
        let commitment = sha256(&[&[0x02], salt, &canon::to_canonical(value)?]);
        self.fields.insert(name, URL_SAFE_NO_PAD.encode(commitment));
        Ok(self)
    }

    /// The bytes that are stored and hashed.
    ///
    /// # Errors
    /// [`EntryError`] when it is too long.
    pub fn to_bytes(&self) -> Result<String, EntryError> {
        let mut entry = JsonObject::with_capacity(ENTRY_BYTES);
        entry.text_if_any("actor", self.actor);
        if !self.data.is_empty() {
            entry.open("data");
            for (name, datum) in &self.data {
                datum.write(name, &mut entry);
            }
            entry.close();
        }
        entry.text("event_id", self.event_id.as_str());
        if !self.fields.is_empty() {
            entry.open("fields");
            for (name, commitment) in &self.fields {
                entry.text(name, commitment);
            }
            entry.close();
        }
        entry.text("log", self.log);
        entry.text("outcome", self.outcome.as_str());
        entry.text_if_any("target", self.target);
        entry.text("time", &self.time.to_string());
        entry.text("type", self.event_type);
        entry.bare("v", self.v);
        let text = entry.end();
        if text.len() > limits::ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong { size: text.len() });
        }
        Ok(text)
    }
}

/// Bytes for which there is room at first in an entry.
const ENTRY_BYTES: usize = 768;

/// The name of an organization's log: the issuer without its scheme, then `/audit/` and the id.
pub fn log_origin(issuer: &Issuer, organization: &OrgId) -> String {
    let (_, name) = issuer.as_str().split_once("://").unwrap_or_default();
    format!("{name}/audit/{organization}")
}

/// A stored entry as it is listed. What later versions add is passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct StoredEntry {
    /// The event.
    pub event_id: EventId,
    /// When it happened, by the clock of the instance.
    pub time: Timestamp,
    /// What happened, such as `agent.created`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it, where known: an agent's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<AgentId>,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What else is public.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub data: serde_json::Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SystemClock, SystemRng};

    fn entry(id: &EventId) -> Entry<'_> {
        Entry::new(
            "idp.example.com/audit/x",
            id,
            Timestamp::from_seconds(0),
            "agent.created",
            Outcome::Success,
        )
    }

    #[test]
    fn what_is_written_is_what_rfc_8785_would_write() {
        let id = EventId::generate(&SystemClock, &SystemRng).unwrap();
        let odd = "\u{0}\u{8}\u{c}\n\r\t\u{1f}\u{7f}\"\\/\u{e9}\u{20ac}\u{1f600}\u{2028}";
        let entry = entry(&id)
            .actor(Some(odd))
            .target(Some("t"))
            .with("b", odd)
            .with("a", 1_u32)
            .with("e", i64::MAX)
            .with("f", i64::MIN)
            .with("c", Datum::List(vec!["x".into(), odd.into()]))
            .with("d", Datum::Flag(true))
            .committed("name", &[0; 16], &Value::from(odd))
            .unwrap();
        assert_eq!(entry.to_bytes().unwrap().into_bytes(), canon::to_canonical(&entry).unwrap());
    }

    #[test]
    fn bytes_are_canonical_and_read_back() {
        let id = EventId::generate(&SystemClock, &SystemRng).unwrap();
        let bytes =
            entry(&id).target(Some("t")).with("b", 1_u32).with("a", "\u{e9}").to_bytes().unwrap();
        assert!(bytes.starts_with("{\"data\":{\"a\":\"\u{e9}\",\"b\":1},\"event_id\":"), "{bytes}");
        let read: StoredEntry = canon::from_stored(&bytes).unwrap();
        assert_eq!(read.event_id, id);
        assert_eq!(read.target.as_deref(), Some("t"));
    }

    #[test]
    fn the_longest_entry_is_65535_bytes() {
        let id = EventId::generate(&SystemClock, &SystemRng).unwrap();
        let bare = entry(&id).with("x", "").to_bytes().unwrap().len();
        let fits = "y".repeat(65_535 - bare);
        assert_eq!(entry(&id).with("x", fits.clone()).to_bytes().unwrap().len(), 65_535);
        let refused = entry(&id).with("x", fits + "y").to_bytes();
        assert_eq!(refused, Err(EntryError::TooLong { size: 65_536 }));
    }

    #[test]
    fn a_commitment_tells_nothing_without_its_salt() {
        let id = EventId::generate(&SystemClock, &SystemRng).unwrap();
        let name = Value::from("Ada");
        let one = entry(&id).committed("name", &[1; 16], &name).unwrap().to_bytes().unwrap();
        let two = entry(&id).committed("name", &[2; 16], &name).unwrap().to_bytes().unwrap();
        assert_ne!(one, two);
        assert!(!one.contains("Ada"));
    }
}
