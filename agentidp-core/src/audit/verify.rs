//! Verification of a log, entry by entry, in memory that does not grow with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::base::{EventId, limits};

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
    /// The log does not end where its head says, or a little further on.
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

/// The end of a log, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The chain's hash there.
    pub hash: Vec<u8>,
    /// The right edge of the tree, which tells the size.
    pub frontier: Frontier,
}

/// Takes the rows of one log in order and reports on the whole.
///
/// ```
/// use agentidp_core::audit::{ChainVerifier, Frontier, LogHead};
/// use agentidp_core::audit::{chain_hash, genesis_hash, leaf_hash};
/// let (log, id) = ("idp.example.com/audit/x", "01900000-0000-7000-8000-000000000001");
/// let entry = format!(r#"{{"event_id":"{id}","log":"{log}"}}"#);
/// let (previous, leaf) = (genesis_hash(log), leaf_hash(entry.as_bytes()));
/// let hash = chain_hash(&previous, &leaf);
/// let mut frontier = Frontier::default();
/// frontier.append(&leaf);
///
/// let mut verifier = ChainVerifier::new(log, Some(LogHead { hash: hash.to_vec(), frontier }));
/// verifier.push(0, id, &entry, &previous, &hash);
/// assert!(verifier.finish().valid);
/// ```
#[derive(Debug)]
pub struct ChainVerifier {
    origin: String,
    head: Option<LogHead>,
    /// Whether the log is at its head as the head says, once it is that far.
    head_agrees: bool,
    expected_seq: u64,
    previous: Hash,
    frontier: Frontier,
    findings: Vec<ChainFinding>,
    findings_count: u64,
}

impl ChainVerifier {
    /// A verifier of the log named `origin`, from its first entry on. It ends at its `head`, or beyond, by
    /// fewer than [`limits::HEAD_LAG_MAX`] entries.
    pub fn new(origin: &str, head: Option<LogHead>) -> ChainVerifier {
        let mut verifier = ChainVerifier {
            origin: origin.to_owned(),
            head,
            head_agrees: false,
            expected_seq: 0,
            previous: genesis_hash(origin),
            frontier: Frontier::default(),
            findings: Vec::new(),
            findings_count: 0,
        };
        verifier.meet_head();
        verifier
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
        self.meet_head();
    }

    /// Compares with the head, where the log is as long.
    fn meet_head(&mut self) {
        let Some(head) = self.head.as_ref() else { return };
        if head.frontier.size() == self.frontier.size() {
            self.head_agrees = head.frontier.size() == self.expected_seq
                && head.hash == self.previous
                && head.frontier == self.frontier;
        }
    }

    /// Reports, also on a head that is missing or that the log does not reach.
    pub fn finish(mut self) -> ChainReport {
        let size = self.head.as_ref().map_or(0, |head| head.frontier.size());
        let lag = self.frontier.size().saturating_sub(size);
        if !self.head_agrees || lag >= limits::HEAD_LAG_MAX as u64 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Entry, Outcome};
    use crate::base::{SystemRng, Timestamp};
    use FindingKind::{Entry as Changed, Foreign, Head, Link, Sequence};

    const LOG: &str = "idp.example.com/audit/01900000-0000-7000-8000-000000000001";

    #[derive(Clone)]
    struct Row {
        seq: u64,
        event_id: String,
        entry: String,
        previous: Vec<u8>,
        hash: Vec<u8>,
    }

    fn event(seq: u64) -> EventId {
        EventId::parse(&format!("01900000-0000-7000-8000-0000000000{seq:02}")).unwrap()
    }

    fn entry(log: &str, event_id: &EventId, what: &str) -> String {
        let time = Timestamp::from_seconds(1_795_316_400);
        Entry::new(log, event_id, time, what, Outcome::Success).to_bytes().unwrap()
    }

    /// Rows that link to one another, each with `text` of its number as its entry.
    fn linked(length: u64, text: impl Fn(u64) -> String) -> Vec<Row> {
        let mut previous = genesis_hash(LOG);
        let row = |seq| {
            let (event_id, entry) = (event(seq).to_string(), text(seq));
            let hash = chain_hash(&previous, &leaf_hash(entry.as_bytes()));
            let row =
                Row { seq, event_id, entry, previous: previous.to_vec(), hash: hash.to_vec() };
            previous = hash;
            row
        };
        (0..length).map(row).collect()
    }

    fn log() -> Vec<Row> {
        linked(5, |seq| entry(LOG, &event(seq), "token.issued"))
    }

    /// The report on `rows`, whose head is that of `head`.
    fn report(rows: &[Row], head: &[Row]) -> ChainReport {
        let mut frontier = Frontier::default();
        head.iter().for_each(|row| frontier.append(&leaf_hash(row.entry.as_bytes())));
        let last = head.last().map_or(genesis_hash(LOG).to_vec(), |row| row.hash.clone());
        verify(rows, Some(LogHead { hash: last, frontier }))
    }

    fn verify(rows: &[Row], head: Option<LogHead>) -> ChainReport {
        let mut verifier = ChainVerifier::new(LOG, head);
        for row in rows {
            verifier.push(row.seq, &row.event_id, &row.entry, &row.previous, &row.hash);
        }
        verifier.finish()
    }

    fn findings(report: &ChainReport) -> Vec<(u64, FindingKind)> {
        assert_eq!(report.valid, report.findings.is_empty());
        report.findings.iter().map(|finding| (finding.seq, finding.kind)).collect()
    }

    #[test]
    fn a_whole_log_is_valid_and_so_is_an_empty_one() {
        let rows = log();
        let whole = report(&rows, &rows);
        assert_eq!((findings(&whole), whole.size, whole.broken_at_event_id), (vec![], 5, None));
        assert_eq!(findings(&report(&[], &[])), []);
    }

    /// One change at a time, so that each is found by the one check that is for it.
    #[test]
    fn each_change_is_found_where_it_is_and_for_what_it_is() {
        let change = |change: &dyn Fn(&mut Vec<Row>)| {
            let (mut rows, head) = (log(), log());
            change(&mut rows);
            findings(&report(&rows, &head))
        };
        let other = || entry(LOG, &event(2), "token.revoked");
        // The entry alone; and with its hash, as somebody does who knows how the chain is made.
        assert_eq!(change(&|rows| rows[2].entry = other()), [(2, Changed), (5, Head)]);
        let rehashed = |rows: &mut Vec<Row>| {
            rows[2].entry = other();
            let previous = Hash::try_from(rows[2].previous.as_slice()).unwrap();
            rows[2].hash = chain_hash(&previous, &leaf_hash(rows[2].entry.as_bytes())).to_vec();
        };
        assert_eq!(change(&rehashed), [(3, Link), (5, Head)]);
        assert_eq!(change(&|rows| rows[2].hash = vec![7; 32]), [(2, Changed), (3, Link)]);
        assert_eq!(change(&|rows| rows[2].hash = vec![7; 31]), [(2, Changed)]);
        assert_eq!(change(&|rows| rows[2].previous = vec![7; 32]), [(2, Link), (2, Changed)]);
        assert_eq!(change(&|rows| rows[2].previous = vec![7; 31]), [(2, Link)]);
        assert_eq!(change(&|rows| rows[2].event_id = event(9).to_string()), [(2, Foreign)]);
        assert_eq!(change(&|rows| rows[2].event_id = "none".to_owned()), [(2, Foreign)]);
        // A number that is missing is told once, at the place from which on it is missing.
        let renumbered = |rows: &mut Vec<Row>| rows[2..].iter_mut().for_each(|row| row.seq += 1);
        assert_eq!(change(&renumbered), [(3, Sequence), (6, Head)]);
        let removed = |rows: &mut Vec<Row>| drop(rows.remove(2));
        assert_eq!(change(&removed), [(3, Sequence), (3, Link), (5, Head)]);
        let swapped = |rows: &mut Vec<Row>| rows.swap(2, 3);
        assert!(change(&swapped).contains(&(3, Sequence)));
    }

    #[test]
    fn the_first_event_that_is_wrong_is_named() {
        let (mut rows, head) = (log(), log());
        rows[3].hash = vec![7; 32];
        assert_eq!(report(&rows, &head).broken_at_event_id, Some(event(3)));
        // A head names no event.
        assert_eq!(report(&head[..4], &head).broken_at_event_id, None);
    }

    #[test]
    fn an_entry_of_another_log_or_event_is_foreign_however_well_it_is_linked() {
        for (seq, text) in [
            (1, entry("idp.example.com/audit/another", &event(1), "token.issued")),
            (1, entry(LOG, &event(2), "token.issued")),
            (3, "{}".to_owned()),
            (3, "no JSON".to_owned()),
        ] {
            let own = |at| entry(LOG, &event(at), "token.issued");
            let rows = linked(5, |at| if at == seq { text.clone() } else { own(at) });
            assert_eq!(findings(&report(&rows, &rows)), [(seq, Foreign)], "{text}");
        }
        // The first links to the name of its log.
        let mut verifier = ChainVerifier::new("idp.example.com/audit/another", None);
        let row = &log()[0];
        verifier.push(row.seq, &row.event_id, &row.entry, &row.previous, &row.hash);
        assert_eq!(findings(&verifier.finish()), [(0, Link), (0, Foreign), (1, Head)]);
    }

    #[test]
    fn a_head_must_agree_in_size_hash_and_tree() {
        let rows = log();
        assert_eq!(findings(&verify(&rows, None)), [(5, Head)]);
        assert_eq!(findings(&report(&rows[..4], &rows)), [(4, Head)], "an end that was cut off");
        let mut frontier = Frontier::default();
        rows.iter().for_each(|row| frontier.append(&leaf_hash(row.entry.as_bytes())));
        let hash = rows[4].hash.clone();
        let head = LogHead { hash, frontier };
        assert!(verify(&rows, Some(head.clone())).valid);
        let mut smaller = Frontier::default();
        rows[..4].iter().for_each(|row| smaller.append(&leaf_hash(row.entry.as_bytes())));
        let mut another = smaller.clone();
        another.append(&leaf_hash(b"another"));
        for wrong in [
            LogHead { hash: vec![7; 32], ..head.clone() },
            LogHead { frontier: another, ..head.clone() },
            LogHead { frontier: smaller, ..head.clone() },
            LogHead { frontier: Frontier::default(), ..head },
        ] {
            assert_eq!(findings(&verify(&rows, Some(wrong.clone()))), [(5, Head)], "{wrong:?}");
        }
    }

    #[test]
    fn a_log_may_go_on_a_little_beyond_its_head() {
        let lag = limits::HEAD_LAG_MAX as u64;
        for head in [0, 5] {
            let rows = linked(head + lag, |seq| entry(LOG, &event(seq), "token.issued"));
            let (rest, head) = (&rows[..rows.len() - 1], &rows[..head as usize]);
            assert_eq!(findings(&report(rest, head)), []);
            assert_eq!(findings(&report(&rows, head)), [(rows.len() as u64, Head)], "too far");
            // What is beyond the head is verified as all else is.
            let mut changed = rest.to_vec();
            let at = changed.len() - 2;
            changed[at].entry = entry(LOG, &event(at as u64), "token.revoked");
            assert_eq!(findings(&report(&changed, head)), [(at as u64, Changed)]);
        }
    }

    #[test]
    fn all_findings_are_counted_and_the_first_hundred_are_told() {
        let random = EventId::generate(&crate::base::SystemClock, &SystemRng).unwrap();
        let mut verifier = ChainVerifier::new(LOG, None);
        for seq in 0..150 {
            // Out of order, and linked to nothing.
            verifier.push(seq * 2 + 1, random.as_str(), "x", &[], &[]);
        }
        let report = verifier.finish();
        assert_eq!((report.findings.len(), report.findings_count), (FINDINGS_MAX, 150 * 4 + 1));
    }
}
