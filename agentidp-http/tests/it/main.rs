//! The server's answers, through its router and without a socket; where its background work has a part,
//! through one.
//!
//! `cfg(test)` is always true here. It tells clippy that helpers are tests too.

#[cfg(test)]
mod api;
#[cfg(test)]
mod api_agents;
#[cfg(test)]
mod api_audit;
#[cfg(test)]
mod api_credentials;
#[cfg(test)]
mod api_dpop;
#[cfg(test)]
mod api_members;
#[cfg(test)]
mod api_once;
#[cfg(test)]
mod api_orgs;
#[cfg(test)]
mod api_requests;
#[cfg(test)]
mod corpora;
#[cfg(test)]
mod declared;
#[cfg(test)]
#[cfg(unix)]
mod edge_refusals;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod forms;
#[cfg(test)]
#[cfg(unix)]
mod key_turns;
#[cfg(test)]
mod oauth_agent_info;
#[cfg(test)]
mod oauth_assertions;
#[cfg(test)]
mod oauth_authorize;
#[cfg(test)]
mod oauth_clients;
#[cfg(test)]
mod oauth_dpop;
#[cfg(test)]
mod oauth_exchange;
#[cfg(test)]
mod oauth_metadata;
#[cfg(test)]
mod oauth_questions;
#[cfg(test)]
mod oauth_token;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod pen;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod rate_limits;
#[cfg(test)]
#[cfg(unix)]
mod running;
#[cfg(test)]
mod served;
