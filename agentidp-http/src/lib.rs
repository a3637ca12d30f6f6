//! The optional server of AgentIdP: OAuth 2.0, OpenID Connect and the REST API, over the same
//! [`Idp`](agentidp_core::Idp) that other programs embed.
//!
//! [`App`] is an instance with its routes, for a host of your own; [`serve()`] is the whole server, as
//! `agentidp serve` runs it: sockets, TLS, limits, background work, and an end that lets requests be answered.

mod answer;
mod api;
mod app;
mod edge;
mod limits;
mod oauth;
mod observe;
mod openapi;
#[doc(hidden)]
pub mod parsers;
mod request;
mod serve;
mod worker;

pub use api::openapi_document;
pub use app::{App, AppOptions};
pub use limits::LimitOptions;
pub use observe::{LogFormat, LogOptions, RequestLog};
pub use serve::{Listening, Network, ProxyField, ServeError, ServeOptions, TlsFiles, serve};
