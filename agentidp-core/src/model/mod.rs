//! Floor 2: types, their rules, and decisions. Pure: no input or output, no clock, no randomness.
#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "without a store nothing is built, only read and verified")
)]

mod agent;
mod authority;
mod credential;
mod health;
mod introspection;
mod invalid;
mod issuer;
mod org;
mod scope;
mod token;

pub use agent::{Agent, AgentStatus, NewAgent};
pub use authority::{ActingAgent, Action, Caller, Denied, Leave, Role, Standing, permit};
pub use credential::{ClientSecret, Credential, CredentialStatus, IssuedCredential, NewCredential};
pub use health::{HealthCheck, HealthStatus};
pub use introspection::{AgentInfo, Introspection, IntrospectionRequest, RevocationRequest};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use introspection::{Asker, AskingAgent, ClientProof, Subject};
pub use invalid::Invalid;
pub use issuer::Issuer;
pub use org::{NewOrg, Org, OrgStatus, PlanTier, Slug};
pub use scope::{ScopeSet, ScopeToken};
pub use token::{
    Client, ClientCredential, Grant, Refusal, TokenRequest, TokenResponse, TokenTerms, TokenUsage,
    authenticate, decide,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use token::{OPENID, secret_mac};
