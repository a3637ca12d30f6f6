//! What the server tells about itself: whether it is well, how much it does, what happened.

mod exposition;
mod health;
mod log;
mod metrics;
mod routes;
mod trace;

pub(crate) use health::Health;
pub(crate) use log::{Log, RequestLine};
pub use log::{LogFormat, LogOptions, RequestLog};
pub(crate) use metrics::{MethodLabel, Metrics, NO_ROUTE};
pub(crate) use routes::{admin_routes, routes};
pub(crate) use trace::TraceParent;
