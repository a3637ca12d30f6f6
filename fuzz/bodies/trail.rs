//! A stored log is valid where its rows are those that its entries make, and nowhere else.

use agentidp_core::AgentId;
use agentidp_core::audit::{
    ChainFinding, ChainVerifier, Entry, FindingKind, Frontier, LogHead, StoredEntry, chain_hash,
    genesis_hash, leaf_hash,
};
use agentidp_core::canon::{from_stored, to_canonical};

/// The log that the seeds are of.
const LOG: &str = "idp.example.com/audit/01900000-0000-7000-8000-000000000001";

pub(crate) fn check(bytes: &[u8]) {
    edge(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        log(text);
    }
}

/// The right edge of a tree, behind its size. Tells whether it is one.
pub(crate) fn edge(bytes: &[u8]) -> bool {
    let Some((size, edge)) = bytes.split_first_chunk::<8>() else { return false };
    // A size is stored in 63 bits.
    let read = Frontier::from_bytes(u64::from_be_bytes(*size) >> 1, edge);
    let Ok(mut frontier) = read else { return false };
    assert_eq!(frontier.to_bytes(), edge);
    frontier.append(&leaf_hash(bytes));
    assert_eq!(Frontier::from_bytes(frontier.size(), &frontier.to_bytes()), Ok(frontier));
    true
}

/// Rows of a log, one a line: the entry, and behind tabs its event, number, predecessor and hash, where
/// they are others than those of a sound log. Tells whether the log is valid.
pub(crate) fn log(text: &str) -> bool {
    let (mut rows, mut sound) = (Vec::new(), true);
    let (mut previous, mut frontier) = (genesis_hash(LOG), Frontier::default());
    for (seq, line) in (0_u64..).zip(text.split('\n')) {
        let mut fields = line.split('\t');
        let entry = fields.next().unwrap_or_default();
        let mut given = || fields.next().filter(|field| !field.is_empty());
        let leaf = leaf_hash(entry.as_bytes());
        let hash = chain_hash(&previous, &leaf);
        let event = given().map_or_else(|| event_of(entry), str::to_owned);
        let number = given().and_then(|field| field.parse().ok()).unwrap_or(seq);
        let link = given().map_or(previous.to_vec(), |field| field.as_bytes().to_vec());
        let stored = given().map_or(hash.to_vec(), |field| field.as_bytes().to_vec());
        sound &= number == seq && link == previous && stored == hash;
        rows.push((number, event, entry, link, stored));
        frontier.append(&leaf);
        previous = hash;
    }
    let head = LogHead { hash: previous.to_vec(), frontier };
    let mut verifier = ChainVerifier::new(LOG, Some(head));
    for (number, event, entry, link, stored) in &rows {
        verifier.push(*number, event, entry, link, stored);
    }
    let report = verifier.finish();
    assert_eq!(report.size, rows.len() as u64);
    assert_eq!(report.valid, report.findings.is_empty());
    assert!(sound || !report.valid);
    // Rows that link to one another may yet be of another log. Only the first findings are told.
    if report.findings.len() as u64 == report.findings_count {
        let foreign = |finding: &ChainFinding| finding.kind == FindingKind::Foreign;
        assert_eq!(report.findings.iter().all(foreign), sound);
    }
    report.valid
}

/// The event of a stored entry. What is read of the entry is written and read again as the same.
fn event_of(entry: &str) -> String {
    let Ok(read) = from_stored::<StoredEntry>(entry) else { return String::new() };
    let written = Entry::new(LOG, &read.event_id, read.time, &read.event_type, read.outcome)
        .actor(read.actor.as_ref().map(AgentId::as_str))
        .target(read.target.as_deref());
    if let Ok(text) = written.to_bytes() {
        assert_eq!(to_canonical(&written).as_deref(), Ok(text.as_bytes()));
        let without_data = StoredEntry { data: Default::default(), ..read.clone() };
        assert_eq!(from_stored::<StoredEntry>(&text), Ok(without_data));
    }
    read.event_id.to_string()
}
