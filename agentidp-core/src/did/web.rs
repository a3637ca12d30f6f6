//! did:web identifiers (the method's section 2.1): the issuer's authority with the port's colon
//! percent-encoded, then the path's segments, joined by colons.

use crate::base::AgentId;
use crate::model::Issuer;

/// The DID of the instance itself.
///
/// ```
/// use agentidp_core::{Issuer, did};
/// let issuer = Issuer::parse("http://localhost:8443").unwrap();
/// assert_eq!(did::root_did(&issuer), "did:web:localhost%3A8443");
/// ```
pub fn root_did(issuer: &Issuer) -> String {
    let mut did = format!("did:web:{}", issuer.authority().replace(':', "%3A"));
    for segment in issuer.path() {
        did.push(':');
        did.push_str(segment);
    }
    did
}

/// The DID of an agent; its document lies at `/agents/{id}/did.json` under the issuer.
///
/// ```
/// use agentidp_core::{AgentId, Issuer, did};
/// let issuer = Issuer::parse("https://h.example/base")?;
/// let agent = AgentId::parse("01900000-0000-7000-8000-000000000001")?;
/// let did = did::agent_did(&issuer, &agent);
/// assert_eq!(did, "did:web:h.example:base:agents:01900000-0000-7000-8000-000000000001");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn agent_did(issuer: &Issuer, agent: &AgentId) -> String {
    format!("{}:agents:{agent}", root_did(issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_did_follows_from_the_issuer() {
        let id = AgentId::parse("01900000-0000-7000-8000-000000000001").unwrap();
        for (issuer, did) in [
            ("https://idp.example.com", "did:web:idp.example.com:agents:"),
            ("https://idp.example.com:8443", "did:web:idp.example.com%3A8443:agents:"),
            ("https://h.example/base/x", "did:web:h.example:base:x:agents:"),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            assert_eq!(agent_did(&issuer, &id), format!("{did}{id}"));
        }
    }
}
