//! Changes of an agent, and which agents a list is of.

use crate::base::Timestamp;
use crate::crypto::Alg;

use super::{Agent, AgentStatus, Caller, Denied, Invalid, agent_rules as rules};

/// What is to become of an agent's particulars. What is not named stays as it is.
///
/// ```
/// use agentidp_core::AgentChanges;
/// let changes = AgentChanges::new().name("invoice-bot-2").without_description();
/// ```
#[derive(Debug, Clone, Default)]
pub struct AgentChanges {
    name: Option<String>,
    description: Option<Option<String>>,
    owner: Option<Option<String>>,
    scopes: Option<Vec<String>>,
    audiences: Option<Vec<String>>,
    capabilities: Option<Vec<String>>,
    url: Option<Option<String>>,
    token_life_seconds_max: Option<Option<i64>>,
    token_alg: Option<Option<Alg>>,
    expected_version: Option<i64>,
}

/// Why an agent is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRefused {
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The caller may not do this.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The agent is not at the version that the caller expects.
    #[error("the agent is at version {found} and no longer at {expected}")]
    Version {
        /// The version that the caller read.
        expected: i64,
        /// The version that it has.
        found: i64,
    },
    /// The agent is decommissioned.
    #[error("the agent is decommissioned, which is for good")]
    Decommissioned,
}

fn owned<T: Into<String>>(list: impl IntoIterator<Item = T>) -> Vec<String> {
    list.into_iter().map(Into::into).collect()
}

impl AgentChanges {
    /// No changes yet.
    pub fn new() -> AgentChanges {
        AgentChanges::default()
    }

    /// Its name for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> AgentChanges {
        self.name = Some(name.into());
        self
    }

    /// What it does.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> AgentChanges {
        self.description = Some(Some(description.into()));
        self
    }

    /// It is not described any more.
    #[must_use]
    pub fn without_description(mut self) -> AgentChanges {
        self.description = Some(None);
        self
    }

    /// Who is responsible for it.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> AgentChanges {
        self.owner = Some(Some(owner.into()));
        self
    }

    /// Nobody in particular is responsible for it.
    #[must_use]
    pub fn without_owner(mut self) -> AgentChanges {
        self.owner = Some(None);
        self
    }

    /// All scopes that it may ask for.
    #[must_use]
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> AgentChanges {
        self.scopes = Some(owned(scopes));
        self
    }

    /// All resources that it may ask tokens for.
    #[must_use]
    pub fn audiences<T: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = T>,
    ) -> AgentChanges {
        self.audiences = Some(owned(audiences));
        self
    }

    /// All that it is good at: names of OASF skills.
    #[must_use]
    pub fn capabilities<T: Into<String>>(
        mut self,
        capabilities: impl IntoIterator<Item = T>,
    ) -> AgentChanges {
        self.capabilities = Some(owned(capabilities));
        self
    }

    /// Where it is reached itself: https, or http on `localhost`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> AgentChanges {
        self.url = Some(Some(url.into()));
        self
    }

    /// It is reached nowhere.
    #[must_use]
    pub fn without_url(mut self) -> AgentChanges {
        self.url = Some(None);
        self
    }

    /// The longest life of its tokens, in seconds, if shorter than that of its organization: 60 to 3600.
    #[must_use]
    pub fn token_life_seconds_max(mut self, seconds: i64) -> AgentChanges {
        self.token_life_seconds_max = Some(Some(seconds));
        self
    }

    /// The life of its tokens is that of its organization.
    #[must_use]
    pub fn without_token_life_seconds_max(mut self) -> AgentChanges {
        self.token_life_seconds_max = Some(None);
        self
    }

    /// The algorithm that its tokens are signed with, which the instance must have a key for.
    #[must_use]
    pub fn token_alg(mut self, alg: Alg) -> AgentChanges {
        self.token_alg = Some(Some(alg));
        self
    }

    /// Its tokens are signed with the instance's algorithm.
    #[must_use]
    pub fn without_token_alg(mut self) -> AgentChanges {
        self.token_alg = Some(None);
        self
    }

    /// The algorithm that is chosen, if one is.
    pub(crate) fn chosen_token_alg(&self) -> Option<Alg> {
        self.token_alg.flatten()
    }

    /// Changes the agent only if it still is at the version that [`Agent::version`] told.
    #[must_use]
    pub fn expected_version(mut self, version: i64) -> AgentChanges {
        self.expected_version = Some(version);
        self
    }

    /// The agent as it becomes by the hand of `caller`; as it was, where nothing changes.
    ///
    /// # Errors
    /// [`ChangeRefused`] when a rule forbids it.
    pub(crate) fn apply(
        &self,
        agent: &Agent,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Agent, ChangeRefused> {
        if let Some(expected) = self.expected_version
            && expected != agent.version
        {
            return Err(ChangeRefused::Version { expected, found: agent.version });
        }
        if agent.status == AgentStatus::Decommissioned {
            return Err(ChangeRefused::Decommissioned);
        }
        let mut changed = self.checked(agent)?;
        check_grant(agent, &changed, caller)?;
        if changed != *agent {
            changed.version = agent.version + 1;
            changed.updated_at = now;
        }
        Ok(changed)
    }

    fn checked(&self, agent: &Agent) -> Result<Agent, Invalid> {
        let mut changed = agent.clone();
        if let Some(name) = &self.name {
            rules::name(name)?;
            changed.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            description.as_deref().map_or(Ok(()), rules::description)?;
            changed.description.clone_from(description);
        }
        if let Some(owner) = &self.owner {
            owner.as_deref().map_or(Ok(()), rules::owner)?;
            changed.owner.clone_from(owner);
        }
        if let Some(alg) = self.token_alg {
            changed.token_alg = alg;
        }
        if let Some(scopes) = &self.scopes {
            changed.scopes = rules::scopes(scopes, &agent.organization_id)?;
        }
        if let Some(audiences) = &self.audiences {
            changed.audiences = rules::audiences(audiences)?;
        }
        if let Some(capabilities) = &self.capabilities {
            changed.capabilities = rules::capabilities(capabilities)?;
        }
        if let Some(url) = &self.url {
            url.as_deref().map_or(Ok(()), rules::url)?;
            changed.url.clone_from(url);
        }
        if let Some(seconds) = self.token_life_seconds_max {
            seconds.map_or(Ok(()), rules::token_life)?;
            changed.token_life_seconds_max = seconds;
        }
        Ok(changed)
    }
}

/// Nobody grants a scope that it does not hold; what an agent has already it may keep. An agent that
/// changes its own scopes must hold all that it will have: its token may be narrower than itself.
fn check_grant(before: &Agent, after: &Agent, caller: &Caller) -> Result<(), Denied> {
    if before.scopes == after.scopes {
        return Ok(());
    }
    let itself = caller.agent().is_some_and(|agent| agent.agent_id == before.id);
    let added = after.scopes.filtered(|scope| !before.scopes.contains(scope));
    caller.holds(if itself { &after.scopes } else { &added })
}

/// Which agents a list is of. Each is read by an index, so that a page costs the same in a large
/// organization as in a small one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentFilter {
    /// All of them.
    #[default]
    All,
    /// Those of this status.
    Status(AgentStatus),
    /// Those that exactly this owner is responsible for.
    Owner(String),
    /// Those of an owner that are of this status. All of the owner's may be looked at for a page.
    OwnerAndStatus(String, AgentStatus),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AgentId, OrgId};
    use crate::model::{ActingAgent, NewAgent, ScopeSet};

    fn agent() -> Agent {
        let id = AgentId::parse("01900000-0000-7000-8000-000000000001").unwrap();
        let org = OrgId::parse("01900000-0000-7000-8000-000000000002").unwrap();
        let new = NewAgent::new("bot").scope("a").scope("b").owner("Ada").description("does");
        new.build(id, org, "did:web:x".to_owned(), Timestamp::from_seconds(1)).unwrap()
    }

    fn caller(id: &str, scopes: &str) -> Caller {
        Caller::Agent(ActingAgent {
            agent_id: AgentId::parse(id).unwrap(),
            organization_id: agent().organization_id,
            scopes: ScopeSet::parse(scopes).unwrap(),
            jti: crate::base::Jti::parse("01900000-0000-7000-8000-000000000003").unwrap(),
            actors: crate::model::ActorChain::default(),
        })
    }

    fn apply(changes: &AgentChanges, caller: &Caller) -> Result<Agent, ChangeRefused> {
        changes.apply(&agent(), caller, Timestamp::from_seconds(2))
    }

    #[test]
    fn what_is_not_named_stays_and_what_changes_counts() {
        let changed = apply(&AgentChanges::new().name("new"), &Caller::Operator).unwrap();
        let mut expected = agent();
        expected.name = "new".to_owned();
        expected.version = 2;
        expected.updated_at = Timestamp::from_seconds(2);
        assert_eq!(changed, expected);
        for nothing in [AgentChanges::new(), AgentChanges::new().name("bot").scopes(["a", "b"])] {
            assert_eq!(apply(&nothing, &Caller::Operator).unwrap(), agent());
        }
        let without = AgentChanges::new().without_owner().without_description();
        let changed = apply(&without, &Caller::Operator).unwrap();
        assert_eq!((changed.owner, changed.description), (None, None));
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        for changes in [
            AgentChanges::new().name(""),
            AgentChanges::new().description("x".repeat(2001)),
            AgentChanges::new().owner("\u{7}"),
            AgentChanges::new().scopes(["a b"]),
            AgentChanges::new().scopes(["admin:orgs"]),
            AgentChanges::new().audiences(["nowhere"]),
            AgentChanges::new().capabilities(["a b"]),
            AgentChanges::new().url("http://example.com"),
            AgentChanges::new().token_life_seconds_max(0),
        ] {
            let refused = apply(&changes, &Caller::Operator);
            assert!(matches!(refused, Err(ChangeRefused::Invalid(_))), "{changes:?}");
        }
        let stale = AgentChanges::new().name("new").expected_version(7);
        let refused = apply(&stale, &Caller::Operator);
        assert_eq!(refused, Err(ChangeRefused::Version { expected: 7, found: 1 }));
        let mut gone = agent();
        gone.status = AgentStatus::Decommissioned;
        let refused = AgentChanges::new().apply(&gone, &Caller::Operator, Timestamp::MAX);
        assert_eq!(refused, Err(ChangeRefused::Decommissioned));
    }

    #[test]
    fn scopes_that_are_added_must_be_held_and_an_agent_keeps_within_its_token() {
        let denied = Err(ChangeRefused::Denied(Denied::ScopesNotHeld));
        let scopes = |list: &[&str]| AgentChanges::new().scopes(list.iter().copied());
        let other = caller("01900000-0000-7000-8000-00000000000f", "c agents:write");
        assert!(apply(&scopes(&["a", "b", "c"]), &other).is_ok());
        assert!(apply(&scopes(&[]), &other).is_ok());
        assert_eq!(apply(&scopes(&["a", "b", "d"]), &other), denied);
        let itself = caller(agent().id.as_str(), "a c agents:write");
        assert!(apply(&scopes(&["a", "c"]), &itself).is_ok());
        assert_eq!(apply(&scopes(&["a", "b", "c"]), &itself), denied);
        assert!(apply(&AgentChanges::new().name("me"), &itself).is_ok());
        assert!(apply(&scopes(&["a", "b", "d"]), &Caller::Operator).is_ok());
    }
}
