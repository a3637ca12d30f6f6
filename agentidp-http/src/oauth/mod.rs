//! OAuth 2.0 and OpenID Connect: tokens, questions about them, keys and metadata.

mod agent_info;
mod authorize;
mod introspect;
mod jwks;
mod metadata;
mod offer;
mod reply;
mod revoke;
mod routes;
mod token;

pub(crate) use metadata::Documents;
pub(crate) use offer::FOREIGN_ALGS;
pub(crate) use routes::{routes, well_known};
