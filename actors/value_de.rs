//! From a [`Value`] to any type with serde.

use std::vec;

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess,
        Visitor,
    },
    forward_to_deserialize_any,
};

use crate::{
    Array, BigInt, Element, Value, ValueError,
    value_error::MAX_DEPTH,
    value_ser::{OWN_NAME, to_value},
};

/// Turns a value into anything with serde: the way back of [`to_value`].
///
/// Packed numbers also become a list of numbers, and those of 8 bits bytes; bytes also become a list of numbers. A whole
/// number becomes a double where a double is wanted, a date the number of its milliseconds. Nothing else is converted.
///
/// # Errors
/// The value does not have the shape of the type. The error says where.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ValueError> {
    T::deserialize(FromValue { value, depth: 0 })
}

struct FromValue {
    value: Value,
    depth: u32,
}

/// One level deeper.
fn deeper(depth: u32) -> Result<u32, ValueError> {
    if depth >= MAX_DEPTH {
        return Err(ValueError::too_deep());
    }
    Ok(depth + 1)
}

impl FromValue {
    /// Where the value is a name alone, or a map of one pair, as [`to_value`] writes enums.
    fn variant(self) -> Result<Variant, ValueError> {
        let depth = self.depth;
        let (name, content) = match self.value {
            Value::Text(name) => (Value::Text(name), None),
            Value::Map(pairs) => match <[_; 1]>::try_from(pairs) {
                Ok([(name, content)]) => (name, Some(content)),
                Err(pairs) => {
                    let found = format!("a map of {} pairs", pairs.len());
                    return Err(ValueError::invalid_type(Unexpected::Other(&found), &"a map of one pair"));
                }
            },
            other => {
                return Err(ValueError::invalid_type(Unexpected::Other(other.kind()), &"an enum's variant"));
            }
        };
        Ok(Variant { name, content, depth })
    }

    /// As derived serde wants [`Value`] itself.
    fn own_variant(self) -> Result<Variant, ValueError> {
        let depth = self.depth;
        let (name, content) = match self.value {
            Value::Null => ("Null", None),
            Value::Bool(_) => ("Bool", Some(self.value)),
            Value::Int(_) => ("Int", Some(self.value)),
            Value::Float(_) => ("Float", Some(self.value)),
            Value::Text(_) => ("Text", Some(self.value)),
            Value::Bytes(_) => ("Bytes", Some(self.value)),
            Value::List(_) => ("List", Some(self.value)),
            Value::Date(moment) => ("Date", Some(Value::Float(moment))),
            Value::BigInt(digits) => ("BigInt", Some(digits.as_str().into())),
            Value::Array(array) => ("Array", Some(to_value(&array)?)),
            Value::Handle(handle) => ("Handle", Some(to_value(&handle)?)),
            Value::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| Value::List(vec![key, value]));
                ("Map", Some(Value::List(pairs.collect())))
            }
        };
        let name = name.into();
        Ok(Variant { name, content, depth })
    }
}

impl<'de> Deserializer<'de> for FromValue {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(number) => visitor.visit_i64(number),
            Value::BigInt(digits) => visit_big_int(&digits, visitor),
            Value::Float(number) | Value::Date(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes.into()),
            Value::Array(array) => visitor.visit_seq(Numbers::new(&array)),
            Value::Handle(handle) => {
                let found = format!("a handle of a {}, which cannot travel", handle.kind);
                Err(ValueError::invalid_type(Unexpected::Other(&found), &visitor))
            }
            Value::List(values) => {
                visitor.visit_seq(Elements { values: values.into_iter(), index: 0, depth: deeper(self.depth)? })
            }
            Value::Map(pairs) => {
                visitor.visit_map(Pairs { pairs: pairs.into_iter(), value: None, depth: deeper(self.depth)? })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Bytes(bytes) => visitor.visit_seq(Numbers { element: Element::U8, data: bytes }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Array(array) if array.element().width() == 1 => visitor.visit_byte_buf(array.data().clone().into()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let variant = if name == OWN_NAME { self.own_variant() } else { self.variant() };
        visitor.visit_enum(variant?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct tuple_struct map struct
        identifier
    }
}

/// Gives a big integer as the smallest type that holds it, and as its digits when none does.
fn visit_big_int<'de, V: Visitor<'de>>(digits: &BigInt, visitor: V) -> Result<V::Value, ValueError> {
    let digits = digits.as_str();
    if let Ok(number) = digits.parse() {
        visitor.visit_i64(number)
    } else if let Ok(number) = digits.parse() {
        visitor.visit_u64(number)
    } else if let Ok(number) = digits.parse() {
        visitor.visit_i128(number)
    } else if let Ok(number) = digits.parse() {
        visitor.visit_u128(number)
    } else {
        visitor.visit_str(digits)
    }
}

/// The elements of a list that are not read yet.
struct Elements {
    values: vec::IntoIter<Value>,
    index: usize,
    depth: u32,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ValueError> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        let (index, depth) = (self.index, self.depth);
        self.index += 1;
        let element = seed.deserialize(FromValue { value, depth });
        element.map(Some).map_err(|error| error.at_index(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

/// The pairs of a map that are not read yet.
struct Pairs {
    pairs: vec::IntoIter<(Value, Value)>,
    /// What belongs to the key that was read last, with that key as text.
    value: Option<(String, Value)>,
    depth: u32,
}

impl<'de> MapAccess<'de> for Pairs {
    type Error = ValueError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ValueError> {
        let Some((key, value)) = self.pairs.next() else {
            return Ok(None);
        };
        let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let depth = self.depth;
        let key = seed.deserialize(FromValue { value: key, depth });
        let key = key.map_err(|error| error.at_key(&name))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ValueError> {
        let (name, value) = self.value.take().unwrap_or_default();
        let depth = self.depth;
        let value = seed.deserialize(FromValue { value, depth });
        value.map_err(|error| error.at_key(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

/// Packed numbers that are not read yet.
struct Numbers {
    element: Element,
    data: Bytes,
}

impl Numbers {
    fn new(array: &Array) -> Self {
        Self { element: array.element(), data: array.data().clone() }
    }
}

impl<'de> SeqAccess<'de> for Numbers {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ValueError> {
        if self.data.len() < self.element.width() {
            return Ok(None);
        }
        let value = self.element.next(&mut self.data);
        seed.deserialize(FromValue { value, depth: 0 }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.data.len() / self.element.width())
    }
}

/// A variant of an enum.
struct Variant {
    name: Value,
    content: Option<Value>,
    depth: u32,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self), ValueError> {
        let depth = deeper(self.depth)?;
        let value = std::mem::take(&mut self.name);
        let name = seed.deserialize(FromValue { value, depth })?;
        Ok((name, Self { depth, ..self }))
    }
}

impl Variant {
    fn content(self) -> Result<FromValue, ValueError> {
        let depth = self.depth;
        let missing = || ValueError::invalid_type(Unexpected::UnitVariant, &"a variant with fields");
        let value = self.content.ok_or_else(missing)?;
        Ok(FromValue { value, depth })
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(other) => Err(ValueError::invalid_type(Unexpected::Other(other.kind()), &"a variant without fields")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ValueError> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.content()?.deserialize_tuple(count, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ValueError> {
        self.content()?.deserialize_any(visitor)
    }
}
