//! The optional server of AgentIdP: OAuth 2.0, OpenID Connect and the REST API, over the same
//! [`Idp`](agentidp_core::Idp) that other programs embed.
//!
//! [`App`] is an instance with its routes, to be served by `agentidp serve` or by a host of your own.

mod answer;
mod api;
mod app;
mod oauth;
mod openapi;
#[doc(hidden)]
pub mod parsers;
mod request;

pub use app::App;
