//! All bodies that the API takes.

use agentidp_core::{AgentChanges, NewAgent, NewOrg, OrgChanges};

use super::agent_keys::{KeyRotation, KeyToAdd};
use super::agents::{AgentPatch, AgentToRegister};
use super::body::{NotRead, read_body};
use super::credentials::CredentialToIssue;
use super::members::{MemberPatch, MemberToAdd};
use super::orgs::{OrgPatch, OrgToMake};

/// Reads `bytes` as each of them, as far as before a verb, and tells as how many they can be read; or
/// why as none of them.
///
/// # Errors
/// The reasons, each of which is shown to whoever sent the bytes.
pub fn api_bodies(bytes: &[u8]) -> Result<usize, Vec<String>> {
    let read = [
        read_body::<AgentToRegister>(bytes).map(|body| drop(NewAgent::from(body))),
        read_body::<AgentPatch>(bytes).map(|body| drop(AgentChanges::from(body))),
        read_body::<OrgToMake>(bytes).map(|body| drop(NewOrg::from(body))),
        read_body::<OrgPatch>(bytes).map(|body| drop(OrgChanges::from(body))),
        read_body::<MemberToAdd>(bytes).map(drop),
        read_body::<MemberPatch>(bytes).map(drop),
        read_body::<KeyToAdd>(bytes).map(drop),
        read_body::<KeyRotation>(bytes).map(drop),
        read_body::<CredentialToIssue>(bytes).map(drop),
    ];
    let told = |reason: &NotRead| match reason {
        NotRead::TooLong => String::new(),
        NotRead::Malformed(reason) => reason.clone(),
    };
    match read.iter().filter(|body| body.is_ok()).count() {
        0 => Err(read.iter().filter_map(|body| body.as_ref().err().map(told)).collect()),
        some => Ok(some),
    }
}
