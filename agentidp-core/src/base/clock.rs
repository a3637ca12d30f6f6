//! Time as a parameter: whoever needs the hour is handed a [`Clock`].

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// Stored as a 64-bit integer, written in JSON as RFC 3339 text in UTC.
///
/// ```
/// use agentidp_core::Timestamp;
/// let at = Timestamp::from_micros(1_795_316_400_000_000);
/// assert_eq!(at.to_string(), "2026-11-22T03:00:00Z");
/// assert_eq!("2026-11-22T03:00:00Z".parse::<Timestamp>().unwrap(), at);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 9999-12-30T22:00:00Z: the last second that has a date before the year 10000 in every time zone.
    pub const MAX: Timestamp = Timestamp(253_402_207_200_000_000);

    /// The time `micros` microseconds after the epoch, held between the epoch and [`Timestamp::MAX`].
    pub const fn from_micros(micros: i64) -> Timestamp {
        if micros < 0 {
            Timestamp(0)
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Timestamp(micros)
        }
    }

    /// The time `seconds` seconds after the epoch, the NumericDate of RFC 7519 section 2.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000_000
    }

    /// This time and `later`, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, later: Duration) -> Timestamp {
        let micros = i64::try_from(later.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.0.saturating_add(micros))
    }

    /// This time less `earlier`, at least the epoch.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Timestamp {
        let micros = i64::try_from(earlier.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.0.saturating_sub(micros))
    }

    /// This time without its fraction of a second.
    #[must_use]
    pub const fn floor_second(self) -> Timestamp {
        Timestamp(self.as_seconds() * 1_000_000)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => f.write_str("9999-12-30T22:00:00Z"),
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at: jiff::Timestamp = text.parse().map_err(|_| ParseTimestampError)?;
        let micros = at.as_microsecond();
        if !(0..=Self::MAX.0).contains(&micros) {
            return Err(ParseTimestampError);
        }
        Ok(Timestamp(micros))
    }
}

/// The text is not an RFC 3339 time between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time between 1970 and 9999")]
pub struct ParseTimestampError;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's wall clock. A clock set before 1970 reads as 1970; one set after 9999, as 9999.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_survive_text() {
        for micros in [0, 1, 999_999, 1_795_316_400_123_456, Timestamp::MAX.as_micros()] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at, "{at}");
        }
    }

    #[test]
    fn a_time_outside_the_range_is_held_or_refused() {
        assert_eq!(Timestamp::from_micros(-1).as_micros(), 0);
        assert_eq!(Timestamp::from_micros(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        for text in ["", "now", "1969-12-31T23:59:59Z", "2026-11-22", "2026-11-22T03:00:00"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
