//! The REST API: organizations, members, agents, credentials, the audit trail.

mod agent_keys;
mod agents;
mod audit;
mod bodies;
mod body;
mod call;
mod credentials;
mod members;
mod once;
mod orgs;
pub(crate) mod params;
mod precondition;
mod query;
mod reply;
mod routes;

pub(crate) use agents::TokenAlg;
pub use bodies::api_bodies;
pub(crate) use body::media_type;
pub(crate) use members::MemberRole;
pub(crate) use once::key as idempotency_key;
pub(crate) use orgs::Plan;
pub(crate) use precondition::{etag, if_match, is_known};
pub(crate) use query::Query;
pub use routes::openapi_document;
pub(crate) use routes::routes;
