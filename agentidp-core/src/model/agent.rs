//! Agents: what an organization runs and answers for.

use serde::{Serialize, Serializer};

use crate::base::{AgentId, OrgId, Timestamp};
use crate::crypto::Alg;

use super::key_text::KeyText;
use super::{AgentStatus, Invalid, ScopeSet, agent_rules as rules};

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its identifier.
    #[serde(rename = "agentId")]
    pub id: AgentId,
    /// Its OAuth client identifier: the same.
    pub client_id: AgentId,
    /// The organization that answers for it.
    pub organization_id: OrgId,
    /// Its decentralized identifier.
    pub did: String,
    /// Its name for people.
    pub name: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who is responsible for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether it may act.
    pub status: AgentStatus,
    /// The scopes it may ask for.
    #[serde(serialize_with = "as_list")]
    pub scopes: ScopeSet,
    /// The resources it may ask tokens for.
    pub audiences: Vec<String>,
    /// What it is good at: names of OASF skills.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Where it is reached itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The longest life of its tokens, in seconds, where it has a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_life_seconds_max: Option<i64>,
    /// The algorithm that its tokens are signed with, where it is not the instance's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_alg: Option<Alg>,
    /// When it was imported, if it was: nothing that lies before is assured by this instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_at: Option<Timestamp>,
    /// When it was registered; of an imported agent, as the file told.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, and those of its credentials.
    #[serde(skip)]
    pub(crate) version: i64,
}

impl Agent {
    /// A number that differs after every change of the agent or its credentials. It means nothing
    /// else; see [`AgentChanges::expected_version`](super::AgentChanges::expected_version).
    pub fn version(&self) -> i64 {
        self.version
    }
}

fn as_list<S: Serializer>(scopes: &ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.iter())
}

/// An agent to be registered.
///
/// ```
/// use agentidp_core::NewAgent;
/// let agent = NewAgent::new("invoice-bot").scope("tools:read").audience("https://api.example.com");
/// ```
#[derive(Debug, Clone)]
pub struct NewAgent {
    name: String,
    description: Option<String>,
    owner: Option<String>,
    scopes: Vec<String>,
    audiences: Vec<String>,
    capabilities: Vec<String>,
    url: Option<String>,
    token_life_seconds_max: Option<i64>,
    token_alg: Option<Alg>,
    public_keys: Vec<KeyText>,
}

impl NewAgent {
    /// An agent named `name` for people.
    pub fn new(name: impl Into<String>) -> NewAgent {
        NewAgent {
            name: name.into(),
            description: None,
            owner: None,
            scopes: Vec::new(),
            audiences: Vec::new(),
            capabilities: Vec::new(),
            url: None,
            token_life_seconds_max: None,
            token_alg: None,
            public_keys: Vec::new(),
        }
    }

    /// What it does.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> NewAgent {
        self.description = Some(description.into());
        self
    }

    /// Who is responsible for it.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> NewAgent {
        self.owner = Some(owner.into());
        self
    }

    /// One more scope it may ask for.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> NewAgent {
        self.scopes.push(scope.into());
        self
    }

    /// One more resource it may ask tokens for: an absolute URI without fragment (RFC 8707 section 2).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> NewAgent {
        self.audiences.push(audience.into());
        self
    }

    /// One more thing that it is good at: the name of an OASF skill.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> NewAgent {
        self.capabilities.push(capability.into());
        self
    }

    /// Where it is reached itself: https, or http on `localhost`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> NewAgent {
        self.url = Some(url.into());
        self
    }

    /// The longest life of its tokens, in seconds, if shorter than that of its organization: 60 to 3600.
    #[must_use]
    pub fn token_life_seconds_max(mut self, seconds: i64) -> NewAgent {
        self.token_life_seconds_max = Some(seconds);
        self
    }

    /// The algorithm that its tokens are signed with, which the instance must have a key for; the
    /// instance's own unless given.
    #[must_use]
    pub fn token_alg(mut self, alg: Alg) -> NewAgent {
        self.token_alg = Some(alg);
        self
    }

    /// One more public key whose private half the agent holds, as a JWK or as PEM.
    #[must_use]
    pub fn public_key(mut self, jwk_or_pem: &str) -> NewAgent {
        self.public_keys.push(KeyText::new(jwk_or_pem));
        self
    }

    /// The public keys, which nobody has read yet.
    pub(crate) fn public_keys(&self) -> &[KeyText] {
        &self.public_keys
    }

    /// Checks everything and makes the agent, which is not stored yet.
    pub(crate) fn build(
        self,
        id: AgentId,
        organization_id: OrgId,
        did: String,
        now: Timestamp,
    ) -> Result<Agent, Invalid> {
        rules::name(&self.name)?;
        self.description.as_deref().map_or(Ok(()), rules::description)?;
        self.owner.as_deref().map_or(Ok(()), rules::owner)?;
        self.url.as_deref().map_or(Ok(()), rules::url)?;
        self.token_life_seconds_max.map_or(Ok(()), rules::token_life)?;
        Ok(Agent {
            client_id: id.clone(),
            id,
            scopes: rules::scopes(&self.scopes, &organization_id)?,
            organization_id,
            did,
            name: self.name,
            description: self.description,
            owner: self.owner,
            status: AgentStatus::Active,
            audiences: rules::audiences(&self.audiences)?,
            capabilities: rules::capabilities(&self.capabilities)?,
            url: self.url,
            token_life_seconds_max: self.token_life_seconds_max,
            token_alg: self.token_alg,
            imported_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(agent: NewAgent) -> Result<Agent, Invalid> {
        let id = AgentId::parse("01900000-0000-7000-8000-000000000001").unwrap();
        agent.build(id, OrgId::system(), "did:web:x".to_owned(), Timestamp::from_seconds(0))
    }

    #[test]
    fn a_built_agent_keeps_its_rules() {
        let agent = build(
            NewAgent::new("bot")
                .scope("a")
                .scope("b")
                .scope("a")
                .audience("https://api.example.com"),
        )
        .unwrap();
        assert_eq!(agent.scopes.to_string(), "a b");
        assert_eq!(agent.status, AgentStatus::Active);
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        for audience in ["", "api", "/x", "https://a.example/#x", "https://a b", "https://\u{e9}"] {
            assert!(build(NewAgent::new("bot").audience(audience)).is_err(), "{audience}");
        }
        assert!(build(NewAgent::new("x".repeat(1 << 20))).is_err());
        assert!(build(NewAgent::new("bot").scope("a b")).is_err());
        assert!(build(NewAgent::new("bot").description("x".repeat(2001))).is_err());
        let many =
            (0..17).fold(NewAgent::new("bot"), |agent, n| agent.audience(format!("urn:x:{n}")));
        assert!(build(many).is_err());
    }
}
