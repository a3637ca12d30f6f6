//! What the tests share: a clock and randomness one can steer, faults, throw-away databases.

#[expect(clippy::expect_used, reason = "a test kit fails by panicking")]
mod clock;
#[expect(clippy::expect_used, reason = "a test kit fails by panicking")]
mod corpus;
#[cfg(feature = "store")]
mod fault;
#[cfg(feature = "store")]
#[expect(clippy::expect_used, reason = "a test kit fails by panicking")]
mod idp;
#[cfg(feature = "postgres")]
#[expect(clippy::expect_used, clippy::panic, reason = "a test kit fails by panicking")]
mod postgres;
mod rng;
#[cfg(feature = "store")]
#[expect(clippy::expect_used, reason = "a test kit fails by panicking")]
mod stored;

pub use clock::TestClock;
pub use corpus::{replay, seeds};
#[cfg(feature = "store")]
pub use fault::{Fault, FaultStore};
#[cfg(feature = "store")]
pub use idp::{API, ISSUER, Tenant, TestIdp};
#[cfg(feature = "postgres")]
pub use postgres::{Session, TestDatabase};
pub use rng::{FailingRng, TestRng};
