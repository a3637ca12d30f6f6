//! Calendar months in UTC, which quotas are counted by.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Timestamp;

/// A calendar month in UTC, such as `2026-11`.
///
/// ```
/// use agentidp_core::{Month, Timestamp};
/// let at: Timestamp = "2026-11-30T23:59:59Z".parse()?;
/// assert_eq!(Month::of(at).to_string(), "2026-11");
/// assert_eq!(Month::of(at).end().to_string(), "2026-12-01T00:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month that `at` lies in.
    pub fn of(at: Timestamp) -> Month {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
        let date = jiff::tz::Offset::UTC.to_datetime(at).date();
        Month { year: date.year(), month: date.month() }
    }

    /// When the next month begins.
    pub fn end(self) -> Timestamp {
        let (year, month) =
            if self.month == 12 { (self.year + 1, 1) } else { (self.year, self.month + 1) };
        let midnight = jiff::civil::DateTime::new(year, month, 1, 0, 0, 0, 0);
        let at = midnight.and_then(|midnight| jiff::tz::Offset::UTC.to_timestamp(midnight));
        at.map_or(Timestamp::MAX, |at| Timestamp::from_micros(at.as_microsecond()))
    }

    /// The month as it is stored: 202611.
    pub fn as_int(self) -> i64 {
        i64::from(self.year) * 100 + i64::from(self.month)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (last, first, stored) in [
            ("1970-01-31T23:59:59.999999Z", "1970-02-01T00:00:00Z", 197_001),
            ("2026-11-30T23:59:59.999999Z", "2026-12-01T00:00:00Z", 202_611),
            ("2026-12-31T23:59:59.999999Z", "2027-01-01T00:00:00Z", 202_612),
            ("2028-02-29T23:59:59.999999Z", "2028-03-01T00:00:00Z", 202_802),
        ] {
            let (last, first): (Timestamp, Timestamp) =
                (last.parse().unwrap(), first.parse().unwrap());
            assert_eq!(Month::of(last).end(), first);
            assert_eq!(Month::of(last).as_int(), stored);
            assert!(Month::of(last) < Month::of(first));
        }
        let last = Month::of(Timestamp::MAX);
        assert_eq!((last.as_int(), last.end()), (999_912, Timestamp::MAX));
    }
}
