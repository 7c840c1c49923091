//! A number of bytes that people write with a unit.

use std::{fmt, str::FromStr};

use crate::{UnitError, unit};

/// A number of bytes, written as `512KiB`, `256MiB`, `1.5GiB` (1024-based), `500kB`, `2MB` (1000-based) or a bare number.
///
/// It is shown exactly, so that what was shown can be read again; `{:#}` rounds it for people. In formats for people
/// (TOML, JSON) it is such a text, in others (the wire) a number.
///
/// ```
/// use oast_config::ByteSize;
///
/// assert_eq!("256MiB".parse(), Ok(ByteSize::mib(256)));
/// assert_eq!("1.5GiB".parse(), Ok(ByteSize::mib(1536)));
/// assert_eq!(ByteSize::mib(1536).to_string(), "1536MiB");
/// assert_eq!(format!("{:#}", ByteSize(12_345_678)), "11.8MiB");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// From large to small, so that the first that divides a size evenly is the one to show it in.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

const ALLOWED: &str = "`KiB`, `MiB`, `GiB`, `TiB`, `kB`, `MB`, `GB`, `TB`, `B`";

impl ByteSize {
    /// `count` times 1024.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// `count` times 1024².
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// `count` times 1024³.
    pub const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    fn fmt_rounded(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
        let Some((name, unit)) = binary.into_iter().find(|(_, unit)| *unit <= self.0) else {
            return write!(f, "{}B", self.0);
        };
        let tenths = (u128::from(self.0) * 10 + u128::from(*unit / 2)) / u128::from(*unit);
        match tenths % 10 {
            0 => write!(f, "{}{name}", tenths / 10),
            tenth => write!(f, "{}.{tenth}{name}", tenths / 10),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.fmt_rounded(f);
        }
        let even = UNITS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (name, unit) = even.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit, rest) = unit::take(text.trim())?;
        let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let factor = match known {
            Some((_, factor)) if rest.is_empty() => *factor,
            None if unit.is_empty() && rest.is_empty() => 1,
            _ => {
                return Err(UnitError::UnknownUnit { unit: format!("{unit}{rest}"), allowed: ALLOWED });
            }
        };
        let bytes = number.times(u128::from(factor)).and_then(|bytes| u64::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| UnitError::OutOfRange { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same_size(bytes: u64, shift in 0_u32..50) {
            let size = ByteSize(bytes >> shift << (shift / 2));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*", number in "[0-9.]{0,40}", unit in "[a-zA-Z ]{0,4}") {
            let _ = text.parse::<ByteSize>();
            let _ = format!("{number}{unit}").parse::<ByteSize>();
        }
    }

    #[test]
    fn units_are_read_with_decimals_spaces_and_any_case() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("512KiB", 512 << 10),
            ("500kB", 500_000),
            ("1.5 GiB", 3 << 29),
            ("256mib", 256 << 20),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_units_there_are() {
        for text in
            ["", "MiB", "1.MiB", ".5GiB", "1..5", "-1", "1G", "1GiB2", "1 2", "18446744073709551616", "99999999TiB"]
        {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        let error = "12XB".parse::<ByteSize>().unwrap_err().to_string();
        assert!(error.starts_with("unknown unit `XB`, one of `KiB`, `MiB`"), "{error}");
    }

    #[test]
    fn people_see_one_decimal() {
        let shown = |bytes| format!("{:#}", ByteSize(bytes));
        assert_eq!([shown(0), shown(1023), shown(1024), shown(1_600_000)], ["0B", "1023B", "1KiB", "1.5MiB"]);
    }
}
