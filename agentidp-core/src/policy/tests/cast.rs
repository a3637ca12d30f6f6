//! Who asks, and what policies are made of.

use crate::base::{AgentId, Jti, OrgId, SystemRng, Timestamp};
use crate::model::{ActingAgent, ActorChain, AgentStatus, OrgStatus, ScopeSet, Standing};
use crate::policy::PolicyError;
use crate::policy::files::PolicyFile;
use crate::policy::rego::RegoPolicy;

/// When the tokens were issued.
pub(super) const ISSUED: i64 = 1_795_316_400_000_123;

/// Who stands, and has no role.
pub(super) const ACTIVE: Standing = Standing {
    agent_status: AgentStatus::Active,
    org_status: OrgStatus::Active,
    role: None,
    tokens_not_before: Timestamp::from_micros(ISSUED - 1),
    token_revoked: false,
    per_minute_max: 60,
};

pub(super) fn agent(organization: &OrgId, scopes: ScopeSet) -> ActingAgent {
    ActingAgent {
        agent_id: AgentId::nil(),
        organization_id: organization.clone(),
        scopes,
        jti: Jti::generate_at(Timestamp::from_micros(ISSUED), &SystemRng).unwrap(),
        actors: ActorChain::default(),
    }
}

/// The policy of one file with these rules.
pub(super) fn policy(rules: &str) -> Result<RegoPolicy, PolicyError> {
    files(&[("authz.rego", &format!("package agentidp.authz\n{rules}"))])
}

pub(super) fn files(files: &[(&str, &str)]) -> Result<RegoPolicy, PolicyError> {
    let file = |(name, text): &(&str, &str)| PolicyFile {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    RegoPolicy::load(&files.iter().map(file).collect::<Vec<_>>())
}
