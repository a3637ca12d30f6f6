//! How many requests may come: of an address before anybody is known, of an organization and in all
//! after that. Counted per process.

mod address;
mod in_flight;
mod keyed;
mod left;
mod options;
mod rates;

pub(crate) use address::home_of;
pub(crate) use in_flight::InFlight;
pub(crate) use left::{Left, hear, tell, watch};
pub use options::LimitOptions;
pub(crate) use rates::{Rates, write_left, write_limited};
