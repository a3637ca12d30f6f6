//! The server's answers, through its router and without a socket.
//!
//! `cfg(test)` is always true here. It tells clippy that helpers are tests too.

#[cfg(test)]
mod corpora;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod oauth_agent_info;
#[cfg(test)]
mod oauth_clients;
#[cfg(test)]
mod oauth_metadata;
#[cfg(test)]
mod oauth_questions;
#[cfg(test)]
mod oauth_token;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod served;
