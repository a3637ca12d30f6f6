//! The linear chain over an organization's entries, and the leaf hash that it shares with the tree.

use crate::crypto::sha256;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// RFC 6962 section 2.1: a leaf's hash begins with this byte, an inner node's with the next.
const LEAF: u8 = 0x00;
/// A link of the chain. Not a prefix that RFC 6962 uses, so that no link is ever a node of the tree.
const LINK: u8 = 0x02;
/// The first link's predecessor.
const GENESIS: u8 = 0x03;

/// The hash of an entry's stored bytes as a leaf of the tree (RFC 6962 section 2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[LEAF], entry])
}

/// The hash that links an entry to all before it.
pub fn chain_hash(previous: &Hash, leaf: &Hash) -> Hash {
    sha256(&[&[LINK], previous, leaf])
}

/// What the first entry of the log named `origin` links to.
pub fn genesis_hash(origin: &str) -> Hash {
    sha256(&[&[GENESIS], origin.as_bytes()])
}
