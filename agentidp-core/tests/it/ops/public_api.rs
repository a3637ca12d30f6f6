//! The verbs of the library, as the list of its public API has them: what a guard compares with.

/// The names of the verbs of `of`, in order. What comes of traits, and not of us, is none.
pub(super) fn verbs(of: &str) -> Vec<&'static str> {
    let api = include_str!("../../../../docs/public-api.txt");
    let begin = format!("pub fn agentidp_core::{of}::");
    let mut verbs: Vec<&str> = api
        .lines()
        .filter_map(|line| line.strip_prefix(begin.as_str())?.split_once('('))
        .map(|(name, _)| name)
        .filter(|name| !["borrow", "clone", "fmt", "into"].contains(name))
        .collect();
    assert!(verbs.len() > 10, "{of} has verbs");
    verbs.sort_unstable();
    verbs
}
