//! The binary, as its users meet it.
//!
//! `cfg(test)` is always true here. It tells clippy that helpers are tests too.

#[cfg(test)]
mod disk;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod error_table;
#[cfg(test)]
mod homes;
#[cfg(test)]
mod manual;
#[cfg(test)]
#[cfg(feature = "server")]
mod openapi;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
#[cfg(unix)]
mod read_only;
#[cfg(test)]
mod redact;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod secrets;
#[cfg(test)]
#[cfg(all(unix, feature = "server"))]
mod serve;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
#[cfg(unix)]
mod worker;
