//! Identifiers: one type each, so that an agent's id cannot stand where an organization's belongs.
//!
//! All are UUIDv7 text (RFC 9562 section 5.7): ordered by time, since random primary keys halve the rate of durable issuance.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Clock, EntropyError, Rng, Timestamp};

/// The text is not an identifier in the form this instance writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 36 characters of lower-case UUID text are expected")]
pub struct IdError;

/// The text of the id that nothing has (RFC 9562 section 5.9), as long as every other.
pub(crate) const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Random bytes that an id takes.
pub(crate) const ID_RANDOM_BYTES: usize = 10;

/// New UUIDv7 text. The twelve bits after the milliseconds tell the microsecond within (RFC 9562
/// section 6.2, method 3), so that what one process does in turn has ids in that order.
fn generate(at: Timestamp, rng: &dyn Rng) -> Result<Arc<str>, EntropyError> {
    let mut random = [0u8; ID_RANDOM_BYTES];
    rng.fill(&mut random)?;
    let micros = u64::try_from(at.as_micros()).unwrap_or(0);
    let (millis, within) = (micros / 1000, (micros % 1000) * 4096 / 1000);
    let [_, _, .., high, low] = within.to_be_bytes();
    if let Some(leading) = random.first_chunk_mut::<2>() {
        *leading = [high, low];
    }
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let mut text = uuid::Uuid::encode_buffer();
    Ok(Arc::from(&*id.hyphenated().encode_lower(&mut text)))
}

/// The time that [`generate`] was given, if `text` is of its making: 4096 steps a millisecond tell
/// every microsecond apart, so it comes back exactly.
fn time_of(text: &str) -> Option<Timestamp> {
    let uuid = uuid::Uuid::try_parse(text).ok()?;
    let (millis, rest) = uuid.as_bytes().split_first_chunk::<6>()?;
    let [version_and_high, low, variant, ..] = rest else { return None };
    if version_and_high >> 4 != 7 || variant >> 6 != 0b10 {
        return None;
    }
    let [a, b, c, d, e, f] = millis.map(i64::from);
    let millis = a << 40 | b << 32 | c << 24 | d << 16 | e << 8 | f;
    let within = i64::from(version_and_high & 0x0f) << 8 | i64::from(*low);
    let micros = (within * 1000 + 4095) / 4096;
    Some(Timestamp::from_micros(millis * 1000 + micros))
}

/// Accepts lower-case hyphenated UUID text and nothing else.
fn parse(text: &str) -> Result<Arc<str>, IdError> {
    let canonical = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    if canonical { Ok(Arc::from(text)) } else { Err(IdError) }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new identifier, ordered by the time of `clock`.
            ///
            /// # Errors
            /// [`EntropyError`] when `rng` fails.
            pub fn generate(clock: &dyn Clock, rng: &dyn Rng) -> Result<Self, EntropyError> {
                generate(clock.now(), rng).map($name)
            }

            /// Reads an identifier.
            ///
            /// # Errors
            /// [`IdError`] when `text` is not one.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse(text).map($name)
            }

            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

identifier! {
    /// An organization: the tenant.
    ///
    /// ```
    /// use agentidp_core::OrgId;
    /// let id = OrgId::parse("00000000-0000-7000-8000-000000000000")?;
    /// assert_eq!(id, OrgId::system());
    /// assert!(OrgId::parse("acme").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    OrgId
}
identifier! {
    /// An agent. It is also the agent's OAuth `client_id` and the `sub` of its tokens.
    AgentId
}
identifier! {
    /// A credential of an agent.
    CredentialId
}
identifier! {
    /// An event, and the audit entry that records it.
    EventId
}
identifier! {
    /// The `jti` of a token (RFC 7519 section 4.1.7).
    Jti
}
identifier! {
    /// A data encryption key, named in every value it seals.
    DataKeyId
}
identifier! {
    /// One installation.
    InstanceId
}

/// The `system` organization, seeded when an instance is made. Instance administration lives there.
pub const SYSTEM_ORG: &str = "00000000-0000-7000-8000-000000000000";

impl OrgId {
    /// The `system` organization.
    pub fn system() -> OrgId {
        OrgId(Arc::from(SYSTEM_ORG))
    }
}

impl Jti {
    /// A new name for a token that counts as issued at `at`.
    ///
    /// # Errors
    /// [`EntropyError`] when `rng` fails.
    pub fn generate_at(at: Timestamp, rng: &dyn Rng) -> Result<Jti, EntropyError> {
        generate(at, rng).map(Jti)
    }

    /// When the token counts as issued, to the microsecond. `None` for a name that is not of our making.
    ///
    /// ```
    /// use agentidp_core::{Jti, SystemRng, Timestamp};
    /// let at: Timestamp = "2026-11-22T03:00:00.000007Z".parse()?;
    /// assert_eq!(Jti::generate_at(at, &SystemRng)?.time(), Some(at));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn time(&self) -> Option<Timestamp> {
        time_of(&self.0)
    }
}

impl AgentId {
    /// The id that no agent has.
    pub(crate) fn nil() -> AgentId {
        AgentId(Arc::from(NIL))
    }
}

macro_rules! sixteen_bytes {
    ($name:ident) => {
        impl $name {
            /// The 16 bytes of the UUID.
            pub fn to_bytes(&self) -> [u8; 16] {
                uuid::Uuid::try_parse(&self.0).unwrap_or_default().into_bytes()
            }

            /// The identifier of these 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> $name {
                let mut text = uuid::Uuid::encode_buffer();
                let uuid = uuid::Uuid::from_bytes(bytes);
                $name(Arc::from(&*uuid.hyphenated().encode_lower(&mut text)))
            }
        }
    };
}

// These two travel inside other values: a sealed value carries its key's id, a secret its credential's.
sixteen_bytes!(DataKeyId);
sixteen_bytes!(CredentialId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SystemClock, SystemRng};

    #[test]
    fn generated_ids_parse_and_are_ordered_by_the_clock() {
        let first = OrgId::generate(&SystemClock, &SystemRng).unwrap();
        crate::base::pause(std::time::Duration::from_micros(20));
        let second = OrgId::generate(&SystemClock, &SystemRng).unwrap();
        assert!(first < second);
        assert_eq!(OrgId::parse(first.as_str()), Ok(first));
        assert_eq!(OrgId::parse(SYSTEM_ORG), Ok(OrgId::system()));
    }

    #[test]
    fn a_jti_tells_its_time_to_the_microsecond() {
        let starts = [0, 999, 1_795_316_400_000_000, Timestamp::MAX.as_micros() - 2100];
        for micros in starts.into_iter().flat_map(|start| start..start + 2100) {
            let at = Timestamp::from_micros(micros);
            let jti = Jti::generate_at(at, &SystemRng).unwrap();
            assert_eq!(jti.time(), Some(at), "{jti}");
            assert_eq!(Jti::parse(jti.as_str()), Ok(jti));
        }
        for not_ours in [
            "00000000-0000-0000-0000-000000000000",
            "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
            "0193a5f0-0000-7000-0000-000000000001",
        ] {
            assert_eq!(Jti::parse(not_ours).unwrap().time(), None, "{not_ours}");
        }
    }

    #[test]
    fn a_data_key_id_survives_its_sixteen_bytes() {
        for id in [
            DataKeyId::generate(&SystemClock, &SystemRng).unwrap(),
            DataKeyId::from_bytes([255; 16]),
        ] {
            assert_eq!(DataKeyId::from_bytes(id.to_bytes()), id);
            assert_eq!(DataKeyId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn only_canonical_text_is_an_id() {
        for text in [
            "",
            "00000000-0000-7000-8000-00000000000",
            "00000000-0000-7000-8000-0000000000000",
            "00000000-0000-7000-8000-00000000000G",
            "00000000-0000-7000-8000-00000000000A",
            "{0000000-0000-7000-8000-00000000000}",
            "00000000x0000-7000-8000-000000000000",
            "0000000000007000800000000000000000000",
            "'; DROP TABLE agents; --            ",
        ] {
            assert_eq!(AgentId::parse(text), Err(IdError), "{text}");
        }
    }
}
