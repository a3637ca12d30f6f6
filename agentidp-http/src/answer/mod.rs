//! What is answered instead of a result, and the name of each request.

mod oauth_error;
mod problem;
pub(crate) mod request_id;

pub(crate) use oauth_error::OAuthError;
pub(crate) use problem::Problem;
