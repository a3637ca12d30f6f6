//! Agents: what an organization runs and answers for.

use serde::{Serialize, Serializer};
use url::Url;

use crate::base::{AgentId, OrgId, Timestamp, limits};
use crate::error::ErrorCode;

use super::invalid::check_text;
use super::{Invalid, ScopeSet};

/// Whether an agent may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// It may.
    Active,
    /// It may not, until it is reactivated.
    Suspended,
    /// It never will again.
    Decommissioned,
}

impl AgentStatus {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentStatus::Active => "active",
            AgentStatus::Suspended => "suspended",
            AgentStatus::Decommissioned => "decommissioned",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<AgentStatus> {
        [AgentStatus::Active, AgentStatus::Suspended, AgentStatus::Decommissioned]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

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
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, and those of its credentials.
    #[serde(skip)]
    pub(crate) version: i64,
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

    /// One more resource it may ask tokens for: an absolute URI without fragment (RFC 8707).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> NewAgent {
        self.audiences.push(audience.into());
        self
    }

    /// Checks everything and makes the agent, which is not stored yet.
    pub(crate) fn build(
        self,
        id: AgentId,
        organization_id: OrgId,
        did: String,
        now: Timestamp,
    ) -> Result<Agent, Invalid> {
        check_text("name", &self.name, limits::NAME_CHARS_MAX)?;
        if let Some(description) = &self.description {
            check_text("description", description, limits::DESCRIPTION_CHARS_MAX)?;
        }
        if let Some(owner) = &self.owner {
            check_text("owner", owner, limits::NAME_CHARS_MAX)?;
        }
        let mut audiences: Vec<String> = Vec::new();
        for audience in self.audiences {
            check_audience(&audience)?;
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
        if audiences.len() > limits::AUDIENCES_MAX {
            return Err(Invalid::new("audience", "more than 16"));
        }
        let scopes = ScopeSet::of(self.scopes.iter().map(String::as_str))?;
        let instance = |scope: &str| scope.starts_with(super::token::INSTANCE_ADMINISTRATION);
        if organization_id != OrgId::system() && scopes.iter().any(instance) {
            let reason = "`admin:` scopes are for agents of the system organization";
            return Err(Invalid::new("scope", reason).coded(ErrorCode::InvalidScope));
        }
        Ok(Agent {
            client_id: id.clone(),
            id,
            organization_id,
            did,
            name: self.name,
            description: self.description,
            owner: self.owner,
            status: AgentStatus::Active,
            scopes,
            audiences,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }
}

/// RFC 8707 section 2: an absolute URI without a fragment. It is compared byte by byte.
fn check_audience(audience: &str) -> Result<(), Invalid> {
    let refuse = |reason: &str| Err(Invalid::new("audience", reason));
    if audience.len() > limits::URL_BYTES_MAX {
        return refuse("longer than 2048 bytes");
    }
    if !audience.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse("an absolute URI of printable ASCII is expected");
    }
    match Url::parse(audience) {
        Ok(url) if url.fragment().is_some() => refuse("a fragment is not allowed"),
        Ok(_) => Ok(()),
        Err(_) => refuse("an absolute URI is expected"),
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
