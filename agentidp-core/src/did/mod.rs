//! Floor 3: decentralized identifiers. For now the did:web names; documents come with their issue.

mod web;

pub use web::{agent_did, root_did};
