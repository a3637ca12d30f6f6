//! The parsers of foreign bytes, for the fuzzers alone: no part of the interface.

pub use crate::api::body::{BODY_BYTES_MAX, NotRead, read_body};
pub use crate::request::{AccessToken, Basic, Form, FormError, NoToken, NotBasic, TokenScheme};
