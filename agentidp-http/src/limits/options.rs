//! What an operator decides about the number of requests.

/// How many requests may come. Each process counts for itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LimitOptions {
    /// Most requests of one address in a minute; `None` for any number. An organization must be able
    /// to use all of its own limit from one address.
    pub per_address_per_minute: Option<u32>,
    /// Most requests of all organizations together in a minute; `None` for any number.
    pub in_all_per_minute: Option<u32>,
    /// Most requests that are answered at once.
    pub in_flight_max: usize,
}

impl Default for LimitOptions {
    fn default() -> LimitOptions {
        LimitOptions {
            per_address_per_minute: Some(60_000),
            in_all_per_minute: None,
            in_flight_max: 4096,
        }
    }
}
