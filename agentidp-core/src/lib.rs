#![doc = include_str!("../README.md")]

#[cfg(all(
    any(feature = "sqlite", feature = "postgres"),
    not(any(feature = "aws-lc", feature = "rustcrypto"))
))]
compile_error!("a store needs a provider of signatures: turn on `aws-lc` or `rustcrypto`");

pub mod audit;
pub mod base;
pub mod canon;
pub mod crypto;
pub mod did;
pub mod error;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod guide;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod idp;
pub mod import;
pub mod jose;
pub mod model;
pub mod oidc;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod ops;
#[doc(hidden)]
pub mod parsers;
#[cfg(any(feature = "policy-rego", feature = "sqlite", feature = "postgres"))]
mod policy;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod store;
pub mod verify;

pub use base::{
    AgentId, Clock, CredentialId, Cursor, DataKeyId, EventId, InstanceId, Jti, Month, OrgId, Page,
    PageRequest, Rng, SecretBytes, SecretString, SystemClock, SystemRng, Timestamp,
};
pub use crypto::{Alg, CryptoProvider, KekSource};
pub use error::ErrorCode;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use idp::{
    AsyncIdp, Claim, Config, Database, Error, Idp, InstanceStatus, Once, OrgHandle, Overloaded,
    SchemaStatus, TokenBegun, TokenRest,
};
pub use model::{
    Action, ActorChain, Agent, AgentChanges, AgentFilter, AgentInfo, AgentKey, AgentKeyState,
    AgentStatus, ClientAuth, Credential, CredentialKind, CredentialStatus, Custody, Denied,
    DpopProof, HealthCheck, HealthStatus, IdempotencyKey, Introspection, IntrospectionRequest,
    Invalid, IssuedCredential, Issuer, KeyPolicy, KeyPurpose, KeyRefusal, KeyRotation, KeyState,
    Member, MemberStays, NewAgent, NewCredential, NewKeyCredential, NewOrg, Org, OrgChanges,
    OrgFootprint, OrgStatus, OrgStays, PlanTier, PresentedToken, RateLimited, RateScope,
    RevocationRequest, RevokeTokens, Role, SigningKey, TokenExchange, TokenRequest, TokenResponse,
    TokenUsage,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use ops::{
    AccessError, AgentError, AuditError, CredentialError, Fault, ImportError, ImportOptions,
    ImportReport, ImportStop, KeyChange, KeyEvent, OpenError, OrgError, Refused, RefusedLine,
    RevokedKey, RotatedKey, SigningKeyError, Tick, TokenError,
};
#[cfg(feature = "policy-rego")]
pub use policy::{PolicyError, RegoPolicy};
