//! The policy that comes with the library against the table, and what is refused of others.

mod agreement;
mod answers;
mod cast;
mod refusals;
