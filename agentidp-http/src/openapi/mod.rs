//! The document that describes the interface (OpenAPI 3.1), and a page for people to read it on.
//!
//! The API's part is written from its routes. What all of them have in common is added here, by rules,
//! and what OAuth answers is described by hand.

mod common;
mod document;
mod oauth;
mod page;
mod place;
mod routes;
pub(crate) mod schemas;

pub(crate) use document::complete;
pub(crate) use routes::routes;
