//! The Merkle tree of RFC 6962 section 2.1, kept as the roots of its perfect subtrees: appending
//! takes O(log n) memory and, on average, one hash.

use crate::crypto::sha256;

use super::Hash;

/// RFC 6962 section 2.1: an inner node's hash begins with this byte.
const NODE: u8 = 0x01;

/// Stored bytes are not the frontier of a tree of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the frontier of a tree of {size} leaves")]
pub struct FrontierError {
    /// The size that was claimed.
    pub size: u64,
}

/// The right edge of a tree: the root of each perfect subtree, the largest first.
///
/// ```
/// use agentidp_core::audit::{Frontier, leaf_hash};
/// let mut frontier = Frontier::default();
/// for entry in ["a", "b", "c"] {
///     frontier.append(&leaf_hash(entry.as_bytes()));
/// }
/// assert_eq!(frontier.size(), 3);
/// let restored = Frontier::from_bytes(3, &frontier.to_bytes()).unwrap();
/// assert_eq!(restored.root(), frontier.root());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, given by its hash.
    pub fn append(&mut self, leaf: &Hash) {
        let mut node = *leaf;
        // Each trailing one bit of the size is a perfect subtree that this leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// The tree's root. That of the empty tree is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut from_right = self.subtrees.iter().rev();
        let Some(last) = from_right.next() else { return sha256(&[]) };
        from_right.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The bytes to store beside the size.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.subtrees.concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`FrontierError`] when `bytes` do not fit a tree of `size` leaves.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Frontier, FrontierError> {
        let (subtrees, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || subtrees.len() != size.count_ones() as usize {
            return Err(FrontierError { size });
        }
        Ok(Frontier { size, subtrees: subtrees.to_vec() })
    }
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[NODE], left, right])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::leaf_hash;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The roots of the reference trees of certificate transparency, for 0 to 8 leaves.
    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(hex(&frontier.root()), roots[0]);
        for (leaf, root) in leaves.iter().zip(&roots[1..]) {
            frontier.append(&leaf_hash(leaf));
            assert_eq!(hex(&frontier.root()), *root, "{} leaves", frontier.size());
        }
    }

    #[test]
    fn stored_bytes_must_fit_the_size() {
        let mut frontier = Frontier::default();
        for at in 0u8..200 {
            frontier.append(&leaf_hash(&[at]));
            let bytes = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(frontier.size(), &bytes).unwrap(), frontier);
            assert!(Frontier::from_bytes(frontier.size(), &bytes[1..]).is_err());
            assert!(Frontier::from_bytes(frontier.size() << 1 | 1, &bytes).is_err());
            let longer = [bytes.as_slice(), &[0]].concat();
            assert!(Frontier::from_bytes(frontier.size(), &longer).is_err());
        }
    }
}
