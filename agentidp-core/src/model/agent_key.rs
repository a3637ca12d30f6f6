//! Keys of agents: those held for them here, and those whose private halves they hold themselves.

use serde::{Serialize, Serializer};

use crate::base::{AgentId, Timestamp};
use crate::crypto::PublicKey;

/// Who holds the private half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Custody {
    /// This instance does, sealed.
    Custodial,
    /// The agent does, and nobody else ever had it.
    HeldByAgent,
}

impl Custody {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            Custody::Custodial => "custodial",
            Custody::HeldByAgent => "held_by_agent",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<Custody> {
        [Custody::Custodial, Custody::HeldByAgent].into_iter().find(|c| c.as_str() == text)
    }
}

/// What an agent's key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKeyState {
    /// It is the agent's key.
    Current,
    /// It signs no more, and is published until it expires.
    Retired,
    /// It is nobody's key any more.
    Revoked,
}

impl AgentKeyState {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentKeyState::Current => "current",
            AgentKeyState::Retired => "retired",
            AgentKeyState::Revoked => "revoked",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<AgentKeyState> {
        [AgentKeyState::Current, AgentKeyState::Retired, AgentKeyState::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The public half of an agent's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentKey {
    /// Its name: the thumbprint of RFC 7638.
    pub kid: String,
    /// Whose it is.
    pub agent_id: AgentId,
    /// Who holds the private half.
    pub custody: Custody,
    /// What it is good for.
    pub state: AgentKeyState,
    /// The key itself; in JSON a JWK.
    #[serde(rename = "jwk", serialize_with = "as_jwk")]
    pub public_key: PublicKey,
    /// When it was made or registered.
    pub created_at: Timestamp,
    /// Until when it is published, where that has an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

fn as_jwk<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
    key.to_jwk().serialize(serializer)
}

impl AgentKey {
    /// A key that the agent has from now on.
    pub(crate) fn current(
        agent_id: &AgentId,
        key: &PublicKey,
        custody: Custody,
        now: Timestamp,
    ) -> AgentKey {
        AgentKey {
            kid: key.thumbprint(),
            agent_id: agent_id.clone(),
            custody,
            state: AgentKeyState::Current,
            public_key: key.clone(),
            created_at: now,
            expires_at: None,
        }
    }
}
