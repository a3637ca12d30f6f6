//! What is answered instead of a result, documents for everybody, and the name of each request.

mod challenge;
mod document;
mod oauth_error;
mod problem;
pub(crate) mod request_id;

pub(crate) use challenge::Challenge;
pub(crate) use document::{Document, preflight};
pub(crate) use oauth_error::OAuthError;
pub(crate) use problem::Problem;
