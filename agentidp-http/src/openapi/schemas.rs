//! What is answered, for the document. The library writes it; these types say what it writes, and the
//! tests hold each answer against them.
#![expect(dead_code, reason = "the document is written from the fields, and the library answers")]

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::params::Timestamp;
use crate::api::{MemberRole, Plan, TokenAlg};

/// A page of a list.
macro_rules! page_of {
    ($($(#[$doc:meta])* $page:ident of $item:ty;)*) => { $(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema(rename_all = "camelCase")]
        pub(crate) struct $page {
            /// The items, in the order of the list.
            items: Vec<$item>,
            /// Where the next page begins; absent on the last.
            #[schema(nullable = false)]
            next_cursor: Option<String>,
        }
    )* };
}

page_of! {
    /// A page of organizations.
    OrganizationPage of Organization;
    /// A page of members.
    MemberPage of Member;
    /// A page of agents.
    AgentPage of Agent;
    /// A page of credentials.
    CredentialPage of Credential;
    /// A page of the audit trail.
    AuditPage of AuditEntry;
}

/// An organization.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Organization {
    /// Its identifier.
    #[schema(format = "uuid")]
    organization_id: String,
    /// Its name in URLs and command lines. It never changes.
    slug: String,
    /// Its name for people.
    name: String,
    /// What it pays for.
    plan_tier: Plan,
    /// Most agents it may have.
    max_agents: i64,
    /// Most tokens it may be issued in a calendar month (UTC).
    max_tokens_per_month: i64,
    /// Most requests it may make in a minute.
    rate_limit_per_minute: i64,
    /// Most seconds that a token of it lives, where that is less than others get.
    #[schema(nullable = false)]
    token_life_seconds_max: Option<i64>,
    /// Whether it may act.
    status: OrgStatus,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum OrgStatus {
    Active,
    Suspended,
    Deleted,
}

/// How much of its month's quota of tokens an organization has used.
#[derive(ToSchema)]
pub(crate) struct Usage {
    /// The calendar month in UTC.
    #[schema(example = "2026-11")]
    month: String,
    /// Tokens issued in it.
    issued: i64,
    /// Most tokens that may be.
    limit: i64,
}

/// An agent that is a member of its organization.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Member {
    /// The agent.
    #[schema(format = "uuid")]
    agent_id: String,
    /// What it is in the organization.
    role: MemberRole,
    /// Since when it is a member.
    created_at: Timestamp,
    /// When its role was last changed.
    updated_at: Timestamp,
}

/// An agent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Agent {
    /// Its identifier.
    #[schema(format = "uuid")]
    agent_id: String,
    /// Its OAuth client identifier: the same.
    #[schema(format = "uuid")]
    client_id: String,
    /// The organization that answers for it.
    #[schema(format = "uuid")]
    organization_id: String,
    /// Its decentralized identifier.
    did: String,
    /// Its name for people.
    name: String,
    /// What it does.
    #[schema(nullable = false)]
    description: Option<String>,
    /// Who is responsible for it.
    #[schema(nullable = false)]
    owner: Option<String>,
    /// Whether it may act.
    status: AgentStatus,
    /// The scopes it may ask for.
    scopes: Vec<String>,
    /// The resources it may ask tokens for.
    audiences: Vec<String>,
    /// What it is good at; absent where that is nothing.
    #[schema(nullable = false)]
    capabilities: Option<Vec<String>>,
    /// Where it is reached itself.
    #[schema(nullable = false)]
    url: Option<String>,
    /// The longest life of its tokens, in seconds, where it has a limit of its own.
    #[schema(nullable = false)]
    token_life_seconds_max: Option<i64>,
    /// What its tokens are signed by, where that is not what the instance's are.
    #[schema(nullable = false)]
    token_alg: Option<TokenAlg>,
    /// When it was imported, if it was.
    #[schema(nullable = false)]
    imported_at: Option<Timestamp>,
    /// When it was registered.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum AgentStatus {
    Active,
    Suspended,
    Decommissioned,
}

/// The public halves of an agent's keys.
#[derive(ToSchema)]
pub(crate) struct AgentKeys {
    /// The keys, the oldest first.
    items: Vec<AgentKey>,
}

/// The public half of an agent's key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AgentKey {
    /// Its name: the thumbprint of RFC 7638.
    kid: String,
    /// Whose it is.
    #[schema(format = "uuid")]
    agent_id: String,
    /// Who holds the private half.
    custody: Custody,
    /// What it is good for.
    state: AgentKeyState,
    /// The key itself (RFC 7517).
    #[schema(value_type = Object)]
    jwk: Value,
    /// When it was made or registered.
    created_at: Timestamp,
    /// Until when it is published, where that has an end.
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Custody {
    Custodial,
    HeldByAgent,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum AgentKeyState {
    Current,
    Retired,
    Revoked,
}

/// What credentials have in common.
macro_rules! credential {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => { $(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema(rename_all = "camelCase")]
        pub(crate) struct $name {
            /// Its identifier.
            #[schema(format = "uuid")]
            credential_id: String,
            /// The agent, which is the OAuth client.
            #[schema(format = "uuid")]
            client_id: String,
            /// What the agent proves itself by.
            kind: CredentialKind,
            /// The name of the key, if it is one: the thumbprint of RFC 7638.
            #[schema(nullable = false)]
            kid: Option<String>,
            /// Whether it may be used.
            status: CredentialStatus,
            /// From when it may no longer be used.
            #[schema(nullable = false)]
            expires_at: Option<Timestamp>,
            /// When it was issued.
            created_at: Timestamp,
            $($(#[$field_doc])* $field: $kind,)*
        }
    )* };
}

credential! {
    /// A credential, without its secret.
    Credential {}
    /// A credential as it was issued.
    IssuedCredential {
        /// The secret, if it is one. It cannot be asked for again.
        #[schema(nullable = false)]
        client_secret: Option<String>,
    }
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum CredentialKind {
    Secret,
    PublicKey,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum CredentialStatus {
    Active,
    Expired,
    Revoked,
}

/// Something that happened.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// The event.
    #[schema(format = "uuid")]
    event_id: String,
    /// When it happened, by the clock of the instance.
    time: Timestamp,
    /// What happened.
    #[schema(example = "agent.created")]
    r#type: String,
    /// How it ended.
    outcome: Outcome,
    /// Who did it, where known: an agent's id.
    #[schema(nullable = false, format = "uuid")]
    actor: Option<String>,
    /// What it was done to.
    #[schema(nullable = false)]
    target: Option<String>,
    /// What else is public.
    #[schema(nullable = false, value_type = Option<Object>)]
    data: Option<Value>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Outcome {
    Success,
    Refused,
}

/// What a verification of the trail found.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AuditReport {
    /// Whether nothing is wrong.
    valid: bool,
    /// How many entries there are.
    size: u64,
    /// The Merkle root over them (RFC 6962), in base64.
    root: String,
    /// The first event that is wrong.
    #[schema(nullable = false, format = "uuid")]
    broken_at_event_id: Option<String>,
    /// All that is wrong, the first hundred in full.
    findings: Vec<AuditFinding>,
    /// How many findings there are in all.
    findings_count: u64,
    /// What this verification cannot tell.
    limits: String,
}

/// One place where the trail is wrong.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AuditFinding {
    /// The entry's number.
    seq: u64,
    /// The event, where a row is there to name it.
    #[schema(nullable = false, format = "uuid")]
    event_id: Option<String>,
    /// What is wrong.
    kind: FindingKind,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum FindingKind {
    Sequence,
    Link,
    Entry,
    Foreign,
    Head,
}

/// What no type of Rust stands for.
pub(super) fn by_hand() -> Map<String, Value> {
    let problem = json!({
        "type": "object",
        "description": "Why a request has no result (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "requestId"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string", "description": "What the status is called." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What is wrong, for people." },
            "code": { "type": "string", "description": "What is wrong, for programs: it never changes its meaning." },
            "requestId": { "type": "string", "format": "uuid" },
            "hint": { "type": "string", "description": "What to do about it." },
        },
    });
    [("Problem".to_owned(), problem)].into_iter().collect()
}
