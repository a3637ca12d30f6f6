//! Floor 2: types, their rules, and decisions. Pure: no input or output, no clock, no randomness.
#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "without a store nothing is built, only read and verified")
)]

mod actors;
mod agent;
mod agent_changes;
mod agent_key;
mod agent_rules;
mod authority;
mod client;
mod client_auth;
mod credential;
mod exchange;
mod health;
mod idempotency;
mod introspection;
mod invalid;
mod issuer;
mod key_text;
mod lifecycle;
mod member;
mod org;
mod org_changes;
mod presented;
mod rate;
mod refusal;
mod scope;
mod signing_key;
mod token;

pub use actors::ActorChain;
pub use agent::{Agent, NewAgent};
pub use agent_changes::{AgentChanges, AgentFilter, ChangeRefused};
pub use agent_key::{AgentKey, AgentKeyState, Custody};
#[cfg(feature = "policy-rego")]
pub(crate) use authority::within_walls;
pub use authority::{ActingAgent, Action, Caller, Denied, Leave, Role, Standing, permit};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use client::secret_mac;
pub use client::{Client, ClientCredential, ClientKey, ProvenBy, TokenTerms, authenticate};
pub use client_auth::ClientAuth;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use client_auth::ClientProof;
pub use credential::{
    ClientSecret, Credential, CredentialKind, CredentialStatus, IssuedCredential, NewCredential,
    NewKeyCredential, RevokeTokens, SecretScheme,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use credential::{Rotation, check_overlap, expiry_of};
pub use exchange::TokenExchange;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use exchange::{Exchange, StandingToken};
pub use health::{HealthCheck, HealthStatus};
pub use idempotency::IdempotencyKey;
pub use introspection::{AgentInfo, Introspection, IntrospectionRequest, RevocationRequest};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use introspection::{Asker, AskingAgent, Subject};
pub use invalid::Invalid;
pub use issuer::Issuer;
pub use lifecycle::{AgentStatus, Step, Transition};
pub use member::{Member, MemberStays};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use member::{MemberChange, holds_role};
pub use org::{NewOrg, Org, OrgFootprint, OrgStatus, PlanTier, Slug};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use org_changes::OrgTransition;
pub use org_changes::{OrgChanges, OrgStays};
pub use presented::{DpopProof, PresentedToken};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use rate::RateLimit;
pub use rate::{RateLimited, RateScope};
pub use refusal::Refusal;
pub use scope::{ScopeSet, ScopeToken};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use signing_key::{KeyKind, KeyStep, KeyTurn, Successor, due, lease, revoke, rotate};
pub use signing_key::{KeyPolicy, KeyPurpose, KeyRefusal, KeyRotation, KeyState, SigningKey};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use token::OPENID;
pub use token::{Exchanged, Grant, TokenRequest, TokenResponse, TokenUsage, decide};
