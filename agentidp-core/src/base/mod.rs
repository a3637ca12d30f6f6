//! Floor 0: what every other room stands on. Identifiers, time, randomness, secrets, limits, pages.

mod clock;
mod epoch;
mod id;
mod json;
pub mod limits;
mod month;
mod page;
mod pause;
mod rng;
mod secret;

pub use clock::{Clock, SystemClock, Timestamp};
pub use epoch::{Epoch, LastSeen};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use id::ID_RANDOM_BYTES;
pub(crate) use id::NIL;
pub use id::{
    AgentId, CredentialId, DataKeyId, EventId, IdError, InstanceId, Jti, OrgId, SYSTEM_ORG,
};
pub(crate) use json::JsonObject;
pub use month::Month;
pub use page::{Cursor, Page, PageRequest};
pub use pause::pause;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use rng::Drawn;
pub use rng::{EntropyError, Rng, SystemRng};
pub use secret::{SecretBytes, SecretString};
