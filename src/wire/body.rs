//! Reads one body that nobody vouches for: bincode's layout, with the bounds that bincode's own readers lack.
//!
//! bincode takes memory for a text as soon as it has read its length, recurses as deep as the bytes say, and reads a
//! `Vec<()>` of 2⁶⁴ elements. Here a text is borrowed before it is copied, the depth is bounded, and memory that is reserved
//! for announced elements is bounded by the body's own length, summed over the whole body.

use bincode::{
    de::{
        BorrowDecode, BorrowDecoder, Decode, DecoderImpl,
        read::{BorrowReader, Reader},
    },
    error::DecodeError,
};
use bytes::Bytes;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{LAYOUT, Layout, MAX_DEPTH};

/// The least that an element of a list takes in a body: the number of its variant.
const LEAST_ELEMENT: u64 = 4;

/// How many elements that take no bytes, such as `()`, a body may have.
const MAX_HOLLOW: u32 = 1 << 16;

/// A body, as far as it is not read yet, with the rest of the frame's payload.
pub(crate) struct Body<'a> {
    input: DecoderImpl<Input<'a>, Layout, ()>,
    payload: Bytes,
    depth: u32,
    /// How many bytes' worth of elements may still be announced.
    budget: u64,
    hollow: u32,
}

impl<'a> Body<'a> {
    pub(super) fn new(body: &'a [u8], payload: Bytes) -> Self {
        Self {
            input: DecoderImpl::new(Input(body), LAYOUT, ()),
            payload,
            depth: 0,
            budget: body.len() as u64,
            hollow: 0,
        }
    }

    /// Reads a value of fixed size.
    #[inline]
    pub(super) fn get<T: Decode<()> + Copy>(&mut self) -> Result<T, DecodeError> {
        T::decode(&mut self.input)
    }

    /// Reads a value through serde.
    pub(super) fn serde<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        T::deserialize(self)
    }

    pub(super) fn borrowed_text(&mut self) -> Result<&'a str, DecodeError> {
        <&str>::borrow_decode(&mut self.input)
    }

    pub(super) fn text(&mut self) -> Result<String, DecodeError> {
        self.borrowed_text().map(str::to_owned)
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, DecodeError> {
        match self.get::<Option<()>>()? {
            None => Ok(None),
            Some(()) => self.text().map(Some),
        }
    }

    /// Reads bytes. Those of the payload are not copied.
    pub(super) fn data(&mut self) -> Result<Bytes, DecodeError> {
        match self.get::<u32>()? {
            0 => <&[u8]>::borrow_decode(&mut self.input).map(Bytes::copy_from_slice),
            1 => {
                let length = self.get::<u64>()?;
                match usize::try_from(length) {
                    Ok(length) if length <= self.payload.len() => Ok(self.payload.split_to(length)),
                    _ => Err(DecodeError::Other("bytes beyond the end of the payload")),
                }
            }
            _ => Err(DecodeError::Other("bytes at a place that is not known")),
        }
    }

    /// Checks that a list of `count` elements, each of as many values, can be in this body, and says how many elements to
    /// take memory for. Each value has bytes of its own, so that an honest body never runs out of its budget.
    pub(super) fn claim(&mut self, count: u64, values: u64) -> Result<usize, DecodeError> {
        let left = count.checked_mul(LEAST_ELEMENT * values).and_then(|cost| self.budget.checked_sub(cost));
        let too_long = DecodeError::Other("a list that is longer than its frame");
        self.budget = left.ok_or(too_long)?;
        usize::try_from(count).map_err(|_overflow| DecodeError::OutsideUsizeRange(count))
    }

    /// Goes one level deeper.
    pub(super) fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth == MAX_DEPTH {
            return Err(DecodeError::Other("values nested too deeply"));
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes back from one level deeper.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Checks that everything was read.
    pub(super) fn finish(mut self) -> Result<(), DecodeError> {
        if self.remaining() > 0 {
            return Err(DecodeError::Other("bytes after the end of the body"));
        }
        if !self.payload.is_empty() {
            return Err(DecodeError::Other("a payload that the body does not name"));
        }
        Ok(())
    }

    fn remaining(&mut self) -> usize {
        self.input.borrow_reader().0.len()
    }

    fn elements<'b>(&'b mut self, count: usize) -> Elements<'b, 'a> {
        let hint = count.min(usize::try_from(self.budget).unwrap_or(usize::MAX));
        self.budget -= hint as u64;
        Elements { body: self, count, hint }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
        self.enter()?;
        let value = read(self)?;
        self.leave();
        Ok(value)
    }
}

/// A slice that bincode reads from, and whose length can be asked.
struct Input<'a>(&'a [u8]);

impl Reader for Input<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        bytes.copy_from_slice(self.take_bytes(bytes.len())?);
        Ok(())
    }
}

impl<'a> BorrowReader<'a> for Input<'a> {
    #[inline]
    fn take_bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return Err(DecodeError::UnexpectedEnd { additional: length - self.0.len() });
        };
        self.0 = rest;
        Ok(taken)
    }
}

macro_rules! plain {
    ($($name:ident $visit:ident;)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.get()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Body<'de> {
    type Error = DecodeError;

    plain! {
        deserialize_bool visit_bool;
        deserialize_i8 visit_i8;
        deserialize_i16 visit_i16;
        deserialize_i32 visit_i32;
        deserialize_i64 visit_i64;
        deserialize_i128 visit_i128;
        deserialize_u8 visit_u8;
        deserialize_u16 visit_u16;
        deserialize_u32 visit_u32;
        deserialize_u64 visit_u64;
        deserialize_u128 visit_u128;
        deserialize_f32 visit_f32;
        deserialize_f64 visit_f64;
        deserialize_char visit_char;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.borrowed_text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_bytes(<&[u8]>::borrow_decode(&mut self.input)?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.get::<Option<()>>()? {
            None => visitor.visit_none(),
            Some(()) => self.deeper(|body| visitor.visit_some(body)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        self.deeper(|body| visitor.visit_newtype_struct(body))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let count = self.get_count()?;
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deeper(|body| visitor.visit_seq(body.elements(count)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let count = self.get_count()?;
        self.deeper(|body| visitor.visit_map(body.elements(count)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deeper(|body| visitor.visit_enum(body))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(bincode::serde::DecodeError::AnyNotSupported.into())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(bincode::serde::DecodeError::IdentifierNotSupported.into())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(bincode::serde::DecodeError::IgnoredAnyNotSupported.into())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl Body<'_> {
    fn get_count(&mut self) -> Result<usize, DecodeError> {
        let count = self.get::<u64>()?;
        usize::try_from(count).map_err(|_overflow| DecodeError::OutsideUsizeRange(count))
    }
}

/// The elements of a list, or the entries of a map, that are not read yet.
struct Elements<'b, 'de> {
    body: &'b mut Body<'de>,
    count: usize,
    hint: usize,
}

impl<'de> Elements<'_, 'de> {
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        let Some(rest) = self.count.checked_sub(1) else {
            return Ok(None);
        };
        self.count = rest;
        let before = self.body.remaining();
        let element = seed.deserialize(&mut *self.body)?;
        if self.body.remaining() == before {
            self.body.hollow += 1;
            if self.body.hollow > MAX_HOLLOW {
                return Err(DecodeError::Other("too many elements without bytes"));
            }
        }
        Ok(Some(element))
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        seed.deserialize(&mut *self.body)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint)
    }
}

impl<'de> EnumAccess<'de> for &mut Body<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), DecodeError> {
        let number = self.get::<u32>()?;
        let variant = seed.deserialize(IntoDeserializer::<DecodeError>::into_deserializer(number))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Body<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DecodeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(count, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
