//! The server's answers, through its router and without a socket.

mod forms;
mod oauth_agent_info;
mod oauth_clients;
mod oauth_metadata;
mod oauth_questions;
mod oauth_token;
mod problems;
mod served;
