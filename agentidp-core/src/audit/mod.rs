//! Floor 3: the audit trail as bytes and hashes. Entries, the linear chain, the Merkle tree, and
//! their verification. No input or output.

mod chain;
mod entry;
mod tree;
mod verify;
mod vkey;

pub use chain::{Hash, chain_hash, genesis_hash, leaf_hash};
pub use entry::{Datum, Entry, EntryError, Outcome, StoredEntry, log_origin};
pub use tree::{Frontier, FrontierError};
pub use verify::{ChainFinding, ChainReport, ChainVerifier, FindingKind, LogHead};
pub use vkey::verifier_key;
