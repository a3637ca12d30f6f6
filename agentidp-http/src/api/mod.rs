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

pub use bodies::api_bodies;
pub(crate) use members::MemberRole;
pub(crate) use orgs::Plan;
pub use routes::openapi_document;
pub(crate) use routes::routes;
