//! Floor 2: types, their rules, and decisions. Pure: no input or output, no clock, no randomness.
#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "without a store nothing is built, only read and verified")
)]

mod agent;
mod agent_changes;
mod agent_key;
mod agent_rules;
mod authority;
mod credential;
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
mod scope;
mod signing_key;
mod token;

pub use agent::{Agent, NewAgent};
pub use agent_changes::{AgentChanges, AgentFilter, ChangeRefused};
pub use agent_key::{AgentKey, AgentKeyState, Custody};
pub use authority::{ActingAgent, Action, Caller, Denied, Leave, Role, Standing, permit};
pub use credential::{
    ClientSecret, Credential, CredentialKind, CredentialStatus, IssuedCredential, NewCredential,
    NewKeyCredential, RevokeTokens, SecretScheme,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use credential::{Rotation, check_overlap, expiry_of};
pub use health::{HealthCheck, HealthStatus};
pub use idempotency::IdempotencyKey;
pub use introspection::{AgentInfo, Introspection, IntrospectionRequest, RevocationRequest};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use introspection::{Asker, AskingAgent, ClientProof, Subject};
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
pub use scope::{ScopeSet, ScopeToken};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use signing_key::{KeyKind, KeyStep, KeyTurn, Successor, due, lease, revoke, rotate};
pub use signing_key::{KeyPolicy, KeyPurpose, KeyRefusal, KeyRotation, KeyState, SigningKey};
pub use token::{
    Client, ClientCredential, Grant, Refusal, TokenRequest, TokenResponse, TokenTerms, TokenUsage,
    authenticate, decide,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use token::{OPENID, secret_mac};
