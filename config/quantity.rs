//! How settings with a unit, counts, and limits that may be `"unlimited"` are written in a file.
//!
//! [`Plain`] and [`Limit`] stand in `#[serde(with = "…")]`. They are types, not modules, so that the schema describes a
//! field by the same attribute that reads it. Formats that are not for people (the wire) get plain numbers.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error, Expected, Unexpected, Visitor},
};

use crate::{ByteSize, format_duration, parse_duration};

/// The word for no limit.
pub(crate) const UNLIMITED: &str = "unlimited";

/// What a file can say about a number.
pub(crate) trait Quantity: Sized + Serialize + DeserializeOwned {
    /// What may be written, for the error.
    const EXPECTED: &'static str;
    /// The value of a text; why not, where it has none.
    fn from_text(text: &str) -> Result<Self, String>;
    /// The value of a bare number.
    fn from_number(number: u64) -> Option<Self>;
    /// Writes it for people.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Quantity for ByteSize {
    const EXPECTED: &'static str = "a size such as `256MiB`, `1GiB` or `500kB`";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::UnitError| error.to_string())
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Self(number))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Quantity for Duration {
    const EXPECTED: &'static str = "a time such as `250ms`, `30s`, `5m` or `1m30s`";

    fn from_text(text: &str) -> Result<Self, String> {
        parse_duration(text).map_err(|error| error.to_string())
    }

    fn from_number(_: u64) -> Option<Self> {
        None
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*self))
    }
}

/// Counts are bare numbers: a text is refused, so that there is one way to write them.
macro_rules! counts {
    ($($count:ty),*) => {$(
        impl Quantity for $count {
            const EXPECTED: &'static str = "a whole number such as `8`";

            fn from_text(text: &str) -> Result<Self, String> {
                Err(format!("`{text}` is a text"))
            }

            fn from_number(number: u64) -> Option<Self> {
                Self::try_from(number).ok()
            }

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )*};
}

counts!(u32, u64, usize);

/// A quantity that must be given.
pub(crate) struct Plain<T>(PhantomData<T>);

impl<T: Quantity> Plain<T> {
    pub(crate) fn serialize<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { value.write(serializer) } else { value.serialize(serializer) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        if deserializer.is_human_readable() { read(deserializer) } else { T::deserialize(deserializer) }
    }
}

/// A quantity that may be `"unlimited"`.
pub(crate) struct Limit<T>(PhantomData<T>);

impl<T: Quantity> Limit<T> {
    pub(crate) fn serialize<S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            _ if !serializer.is_human_readable() => value.serialize(serializer),
            Some(value) => value.write(serializer),
            None => serializer.serialize_str(UNLIMITED),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Self::deserialize_as(deserializer, T::EXPECTED)
    }

    /// As [`deserialize`](Self::deserialize), with another text for what may be written.
    pub(crate) fn deserialize_as<'de, D: Deserializer<'de>>(
        deserializer: D,
        expected: &'static str,
    ) -> Result<Option<T>, D::Error> {
        if !deserializer.is_human_readable() {
            return Option::deserialize(deserializer);
        }
        deserializer.deserialize_any(LimitReader(Reader { expected, or: ", or `unlimited`", value: PhantomData }))
    }
}

/// Reads a text or a number.
struct Reader<T> {
    expected: &'static str,
    /// What else may be written, said after `expected`.
    or: &'static str,
    value: PhantomData<T>,
}

impl<T: Quantity> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.expected, self.or)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let expected: &dyn Expected = &self;
        T::from_text(text).map_err(|why| E::custom(format_args!("{why}; expected {expected}")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_number(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let value = u64::try_from(number).ok().and_then(T::from_number);
        value.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

/// Reads a text, a number, or `"unlimited"`.
struct LimitReader<T>(Reader<T>);

impl<T: Quantity> Visitor<'_> for LimitReader<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        if text == UNLIMITED { Ok(None) } else { self.0.visit_str(text).map(Some) }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<T>, E> {
        self.0.visit_u64(number).map(Some)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<T>, E> {
        self.0.visit_i64(number).map(Some)
    }
}

/// Reads a quantity from a format for people.
pub(crate) fn read<'de, T: Quantity, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Reader { expected: T::EXPECTED, or: "", value: PhantomData })
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { self.write(serializer) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() { read(deserializer) } else { u64::deserialize(deserializer).map(Self) }
    }
}
