//! Verification of a log, entry by entry, in memory that does not grow with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::base::EventId;

use super::{Frontier, Hash, chain_hash, genesis_hash, leaf_hash};

/// Findings kept; the rest are only counted.
const FINDINGS_MAX: usize = 100;

/// What is wrong at one place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A number is missing or comes twice.
    Sequence,
    /// The entry does not link to the one before it.
    Link,
    /// The entry's bytes are not those that were hashed.
    Entry,
    /// The entry says that it belongs to another log, or is another event than its row.
    Foreign,
    /// The log does not end where its head says.
    Head,
}

/// One place where a log is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainFinding {
    /// The entry's number.
    pub seq: u64,
    /// The event, where a row is there to name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// What is wrong.
    pub kind: FindingKind,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainReport {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// How many entries there are.
    pub size: u64,
    /// The Merkle root over them (RFC 6962), in base64.
    pub root: String,
    /// The first event that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at_event_id: Option<EventId>,
    /// All that is wrong, the first hundred in full.
    pub findings: Vec<ChainFinding>,
    /// How many findings there are in all.
    pub findings_count: u64,
    /// What this verification cannot tell.
    pub limits: &'static str,
}

/// Takes the rows of one log in order and reports on the whole.
#[derive(Debug)]
pub struct ChainVerifier {
    origin: String,
    expected_seq: u64,
    previous: Hash,
    frontier: Frontier,
    findings: Vec<ChainFinding>,
    findings_count: u64,
}

impl ChainVerifier {
    /// A verifier of the log named `origin`, from its first entry on.
    pub fn new(origin: &str) -> ChainVerifier {
        ChainVerifier {
            origin: origin.to_owned(),
            expected_seq: 0,
            previous: genesis_hash(origin),
            frontier: Frontier::default(),
            findings: Vec::new(),
            findings_count: 0,
        }
    }

    /// Takes the next row: its number, event, stored bytes and stored hashes.
    pub fn push(&mut self, seq: u64, event_id: &str, entry: &str, previous: &[u8], hash: &[u8]) {
        let event_id = EventId::parse(event_id).ok();
        let event_id = event_id.as_ref();
        if seq != self.expected_seq {
            self.found(seq, event_id, FindingKind::Sequence);
        }
        if previous != self.previous {
            self.found(seq, event_id, FindingKind::Link);
        }
        let leaf = leaf_hash(entry.as_bytes());
        // The stored predecessor, where it is one, so that one wrong link is one finding.
        let previous = Hash::try_from(previous).unwrap_or(self.previous);
        let computed = chain_hash(&previous, &leaf);
        if hash != computed {
            self.found(seq, event_id, FindingKind::Entry);
        }
        if !self.belongs(event_id, entry) {
            self.found(seq, event_id, FindingKind::Foreign);
        }
        self.frontier.append(&leaf);
        self.previous = Hash::try_from(hash).unwrap_or(computed);
        self.expected_seq = seq.saturating_add(1);
    }

    /// Compares with the stored head, if there is one, and reports.
    pub fn finish(mut self, head: Option<(u64, &[u8], &Frontier)>) -> ChainReport {
        let agrees = head.is_some_and(|(size, hash, frontier)| {
            size == self.expected_seq && hash == self.previous && *frontier == self.frontier
        });
        if !agrees {
            self.found(self.expected_seq, None, FindingKind::Head);
        }
        ChainReport {
            valid: self.findings_count == 0,
            size: self.frontier.size(),
            root: STANDARD.encode(self.frontier.root()),
            broken_at_event_id: self.findings.iter().find_map(|finding| finding.event_id.clone()),
            findings: self.findings,
            findings_count: self.findings_count,
            limits: "the trail is consistent in itself; without a checkpoint kept elsewhere a rewrite of all of it, or of its end together with the head, cannot be ruled out",
        }
    }

    fn belongs(&self, event_id: Option<&EventId>, entry: &str) -> bool {
        #[derive(serde::Deserialize)]
        struct Names<'a> {
            #[serde(borrow)]
            log: std::borrow::Cow<'a, str>,
            event_id: EventId,
        }
        serde_json::from_str::<Names<'_>>(entry)
            .is_ok_and(|names| names.log == self.origin && Some(&names.event_id) == event_id)
    }

    fn found(&mut self, seq: u64, event_id: Option<&EventId>, kind: FindingKind) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(ChainFinding { seq, event_id: event_id.cloned(), kind });
        }
    }
}
