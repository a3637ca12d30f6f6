//! Lengths of time on the command line: `90d`, `24h`, `15m`, `30s`.

use std::time::Duration;

/// Reads a whole number with one of the units s, m, h and d.
///
/// # Errors
/// What was expected instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    match parse_overlap(text)? {
        Duration::ZERO => Err("longer than nothing is expected".to_owned()),
        time => Ok(time),
    }
}

/// As [`parse`], and nothing is a length too.
///
/// # Errors
/// What was expected instead.
pub(crate) fn parse_overlap(text: &str) -> Result<Duration, String> {
    let expected = || "a number with s, m, h or d is expected, such as `90d`".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected());
    }
    let total = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    match total {
        Some(total) => Ok(Duration::from_secs(total)),
        None => Err("shorter than that is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("24h", 86_400), ("90d", 7_776_000)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
            assert_eq!(parse_overlap(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(parse_overlap("0s"), Ok(Duration::ZERO));
        for bad in [
            "",
            "d",
            "90",
            "0d",
            "-1d",
            "+1d",
            "1.5h",
            "1 d",
            "1w",
            "9d9",
            "99999999999999999999s",
            "9999999999999999999d",
            "1\u{e9}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
