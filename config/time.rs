//! Spans of time that people write with a unit.

use std::time::Duration;

use crate::{UnitError, unit};

/// From long to short, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const ALLOWED: &str = "`ms`, `s`, `m`, `h`, `d`, `us`, `ns`";

/// Reads a time: `250ms`, `30s`, `1.5s`, `5m`, `1h`, `1m30s`. A bare number is refused, for it could mean anything.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(oast_config::parse_duration("1m30s"), Ok(Duration::from_secs(90)));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let out_of_range = || UnitError::OutOfRange { text: text.to_owned() };
    let (mut rest, mut total) = (text.trim(), 0_u128);
    loop {
        let (number, unit, after) = unit::take(rest)?;
        let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let Some((_, nanoseconds)) = known else {
            return Err(wrong_unit(unit, text));
        };
        total = number.times(*nanoseconds).and_then(|part| total.checked_add(part)).ok_or_else(out_of_range)?;
        rest = after;
        if rest.is_empty() {
            let seconds = u64::try_from(total / 1_000_000_000).ok().ok_or_else(out_of_range)?;
            return Ok(Duration::new(seconds, u32::try_from(total % 1_000_000_000).unwrap_or(0)));
        }
    }
}

fn wrong_unit(unit: &str, text: &str) -> UnitError {
    if unit.is_empty() {
        return UnitError::NoUnit { text: text.to_owned(), allowed: ALLOWED };
    }
    UnitError::UnknownUnit { unit: unit.to_owned(), allowed: ALLOWED }
}

/// Writes a time so that [`parse_duration`] reads the same one: `1m30s`, `250ms`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(oast_config::format_duration(Duration::from_millis(90_250)), "1m30s250ms");
/// ```
pub fn format_duration(time: Duration) -> String {
    if time.is_zero() {
        return "0s".to_owned();
    }
    let mut rest = time.as_nanos();
    let mut text = String::new();
    for (name, nanoseconds) in UNITS {
        if rest >= nanoseconds {
            text.push_str(&format!("{}{name}", rest / nanoseconds));
            rest %= nanoseconds;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same_time(seconds: u64, shift in 0_u32..64, nanoseconds in 0_u32..1_000_000_000) {
            let time = Duration::new(seconds >> shift, nanoseconds);
            prop_assert_eq!(parse_duration(&format_duration(time)), Ok(time));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*", parts in "([0-9.]{1,25}[a-z]{0,2} ?){0,4}") {
            let _ = parse_duration(&text);
            let _ = parse_duration(&parts);
        }
    }

    #[test]
    fn times_are_read_in_all_units() {
        for (text, milliseconds) in
            [("250ms", 250), ("30s", 30_000), ("1.5s", 1500), ("5m", 300_000), ("1h 1m", 3_660_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_units_there_are() {
        let error = |text| parse_duration(text).unwrap_err().to_string();
        assert_eq!(error("30"), "`30` has no unit, one of `ms`, `s`, `m`, `h`, `d`, `us`, `ns`");
        assert!(error("30sec").starts_with("unknown unit `sec`"));
        assert_eq!(error(""), "`` does not begin with a number");
        assert_eq!(error("99999999999999999999d"), "`99999999999999999999d` is out of range");
    }
}
