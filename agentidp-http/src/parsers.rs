//! The parsers of foreign bytes, for the fuzzers alone: no part of the interface.

pub use crate::api::api_bodies;
pub use crate::request::{AccessToken, Basic, Form, FormError, NoToken, NotBasic, TokenScheme};
