//! Floor 6: the library's front door.

mod agents;
mod async_idp;
mod config;
mod credentials;
mod error;
mod examine;
mod handle;
mod import;
mod keys;
mod once;
mod org;
mod orgs;
mod schema;
mod tokens;

pub use async_idp::{AsyncIdp, Overloaded, TokenBegun, TokenRest};
pub use config::{Config, Database};
pub use error::Error;
pub use handle::{Idp, InstanceStatus};
pub use once::{Claim, Once};
pub use org::OrgHandle;
pub use schema::SchemaStatus;
