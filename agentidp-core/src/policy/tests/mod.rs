//! The policy that comes with the library against the table, and what is refused of others.

mod agreement;
mod answers;
mod refusals;

use super::PolicyError;
use super::files::PolicyFile;
use super::rego::RegoPolicy;
use crate::base::{AgentId, Jti, OrgId, SystemRng, Timestamp};
use crate::model::{ActingAgent, ActorChain, AgentStatus, OrgStatus, ScopeSet, Standing};

/// When the tokens were issued.
const ISSUED: i64 = 1_795_316_400_000_123;

/// Who stands, and has no role.
const ACTIVE: Standing = Standing {
    agent_status: AgentStatus::Active,
    org_status: OrgStatus::Active,
    role: None,
    tokens_not_before: Timestamp::from_micros(ISSUED - 1),
    token_revoked: false,
    per_minute_max: 60,
};

fn agent(organization: &OrgId, scopes: ScopeSet) -> ActingAgent {
    ActingAgent {
        agent_id: AgentId::nil(),
        organization_id: organization.clone(),
        scopes,
        jti: Jti::generate_at(Timestamp::from_micros(ISSUED), &SystemRng).unwrap(),
        actors: ActorChain::default(),
    }
}

/// The policy of one file with these rules.
fn policy(rules: &str) -> Result<RegoPolicy, PolicyError> {
    files(&[("authz.rego", &format!("package agentidp.authz\n{rules}"))])
}

fn files(files: &[(&str, &str)]) -> Result<RegoPolicy, PolicyError> {
    let file = |(name, text): &(&str, &str)| PolicyFile {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    RegoPolicy::load(&files.iter().map(file).collect::<Vec<_>>())
}
