//! An amount of memory that may be said as a share of another one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    ByteSize, UnitError,
    quantity::{Limit, Quantity, read},
    unit,
};

/// An amount of memory: a size of its own, or a share of a limit that it follows.
///
/// ```
/// use oast_config::{ByteSize, Portion};
///
/// let portion: Portion = "75%".parse()?;
/// assert_eq!(portion.of(Some(ByteSize::gib(2))), Some(ByteSize::mib(1536)));
/// assert_eq!(portion.of(None), None, "a share of no limit is no limit");
/// # Ok::<(), oast_config::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// So many per cent of the other amount.
    Percent(u16),
    /// A size, whatever the other amount is.
    Size(ByteSize),
}

impl Portion {
    /// The amount, where the other one is `whole`. A share of no limit is no limit.
    pub fn of(self, whole: Option<ByteSize>) -> Option<ByteSize> {
        match self {
            Self::Size(size) => Some(size),
            Self::Percent(percent) => whole.map(|whole| {
                let bytes = u128::from(whole.get()) * u128::from(percent) / 100;
                ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX))
            }),
        }
    }
}

impl fmt::Display for Portion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Size(size) => size.fmt(f),
        }
    }
}

impl FromStr for Portion {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit, rest) = unit::take(text.trim())?;
        if unit != "%" || !rest.is_empty() {
            return text.parse().map(Self::Size);
        }
        let percent = number.times(1).and_then(|percent| u16::try_from(percent).ok());
        percent.map(Self::Percent).ok_or_else(|| UnitError::OutOfRange { text: text.to_owned() })
    }
}

impl Quantity for Portion {
    const EXPECTED: &'static str = "a share such as `75%`, or a size such as `256MiB`";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: UnitError| error.to_string())
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Self::Size(ByteSize(number)))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Portion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Portion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return read(deserializer);
        }
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A limit that a file may give as a share of `limits.memory`, for `#[serde(with = "…")]`. The loader has replaced the
/// share by its size when this reads it, for only there both values are at hand.
pub(crate) struct ShareOfMemory;

impl ShareOfMemory {
    pub(crate) fn serialize<S: Serializer>(value: &Option<ByteSize>, serializer: S) -> Result<S::Ok, S::Error> {
        Limit::<ByteSize>::serialize(value, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
        Limit::deserialize_as(deserializer, "a size such as `256MiB`, a share of `limits.memory` such as `75%`")
    }
}

/// The size that a setting stands for, once the limit it may be a share of is known: both as a file writes them.
/// Whatever cannot be read stays as it is, for the reader to complain about.
pub(crate) fn resolve(setting: &str, memory: Option<&str>) -> String {
    let Ok(Portion::Percent(percent)) = setting.parse() else {
        return setting.to_owned();
    };
    let memory = memory.and_then(|text| ByteSize::from_text(text).ok());
    Portion::Percent(percent).of(memory).map_or_else(|| crate::quantity::UNLIMITED.to_owned(), |size| size.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same_portion(percent: u16, bytes: u64) {
            for portion in [Portion::Percent(percent), Portion::Size(ByteSize(bytes))] {
                prop_assert_eq!(portion.to_string().parse(), Ok(portion));
            }
        }
    }

    #[test]
    fn a_share_follows_its_limit_and_a_size_does_not() {
        assert_eq!(resolve("75%", Some("256MiB")), "192MiB");
        assert_eq!(resolve("75%", Some("unlimited")), "unlimited");
        assert_eq!(resolve("64MiB", Some("256MiB")), "64MiB");
        assert_eq!(resolve("75 pears", Some("256MiB")), "75 pears");
    }

    #[test]
    fn what_is_no_portion_is_refused() {
        for text in ["%", "75%%", "75% of it", "70000%", "-5%", "unlimited"] {
            assert!(text.parse::<Portion>().is_err(), "{text}");
        }
    }
}
