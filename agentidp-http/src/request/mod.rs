//! Reading requests: forms, client authentication, bearer tokens, JSON, pages.

mod basic;
mod bearer;
mod client_auth;
pub(crate) mod dpop;
mod form;
mod form_request;
mod presented;
mod urlencoded;

pub use basic::{Basic, NotBasic};
pub use bearer::{AccessToken, NoToken, TokenScheme};
pub(crate) use client_auth::client_auth;
pub(crate) use form::FORM_BYTES_MAX;
pub use form::{Form, FormError};
pub(crate) use form_request::{FormRequest, is_form};
pub(crate) use presented::presented;
