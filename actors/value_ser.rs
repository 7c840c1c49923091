//! From any type with serde to a [`Value`].

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant,
    },
};

use crate::{Value, ValueError, value_de::from_value, value_error::MAX_DEPTH};

/// The name under which [`Value`] itself comes to serde.
pub(crate) const OWN_NAME: &str = "oast::Value";

/// Turns anything with serde into a value.
///
/// Structs become maps with texts as keys. Enums are tagged from outside, as serde_json has it: a variant without fields is
/// its name, any other a map of one pair. `None` and `()` are `Null`, and `Some(x)` is `x`. Whole numbers beyond 64 bits
/// become big integers. Bytes are bytes when their type says so (`Bytes`, `serde_bytes`); a `Vec<u8>` is a list to serde.
///
/// # Errors
/// It is nested deeper than 128, or its own `Serialize` refuses.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, ValueError> {
    value.serialize(ToValue { depth: 0 })
}

#[derive(Clone, Copy)]
struct ToValue {
    depth: u32,
}

impl ToValue {
    fn deeper(self) -> Result<Self, ValueError> {
        let depth = self.depth + 1;
        if depth >= MAX_DEPTH {
            return Err(ValueError::too_deep());
        }
        Ok(Self { depth })
    }

    fn parts(self, variant: Option<&'static str>, length: usize) -> Result<Parts, ValueError> {
        Ok(Parts {
            inner: self.deeper()?,
            variant,
            values: Vec::with_capacity(length.min(1024)),
            pairs: Vec::new(),
            key: None,
        })
    }
}

macro_rules! plain {
    ($($name:ident($type:ty);)*) => {
        $(fn $name(self, value: $type) -> Result<Value, ValueError> {
            Ok(value.into())
        })*
    };
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    plain! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_str(&str);
    }

    fn serialize_char(self, value: char) -> Result<Value, ValueError> {
        Ok(Value::Text(value.into()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::Bytes(Bytes::copy_from_slice(value)))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, name: &'static str, _: u32, variant: &'static str) -> Result<Value, ValueError> {
        if name == OWN_NAME {
            return Ok(Value::Null);
        }
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        if name == OWN_NAME {
            return own(variant, value.serialize(self)?);
        }
        let value = value.serialize(self.deeper()?).map_err(|error| error.at_key(variant))?;
        Ok(Value::Map(vec![(variant.into(), value)]))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Parts, ValueError> {
        self.parts(None, length.unwrap_or(0))
    }

    fn serialize_tuple(self, length: usize) -> Result<Parts, ValueError> {
        self.parts(None, length)
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Parts, ValueError> {
        self.parts(None, length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Parts, ValueError> {
        self.deeper()?.parts(Some(variant), length)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, ValueError> {
        self.parts(None, 0)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, ValueError> {
        self.parts(None, 0)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, ValueError> {
        self.deeper()?.parts(Some(variant), 0)
    }
}

/// Turns what derived serde makes of a [`Value`]'s variant back into that variant, so that a value within another type
/// comes out as it is.
fn own(variant: &'static str, content: Value) -> Result<Value, ValueError> {
    Ok(match (variant, content) {
        ("BigInt", content) => Value::BigInt(from_value(content)?),
        ("Array", content) => Value::Array(from_value(content)?),
        ("Handle", content) => Value::Handle(from_value(content)?),
        ("Date", Value::Float(moment)) => Value::Date(moment),
        ("Map", Value::List(pairs)) => Value::Map(pairs.into_iter().filter_map(pair).collect()),
        (_, content) => content,
    })
}

fn pair(pair: Value) -> Option<(Value, Value)> {
    let Value::List(pair) = pair else { return None };
    let [key, value] = <[Value; 2]>::try_from(pair).ok()?;
    Some((key, value))
}

/// A list or a map that is being put together.
struct Parts {
    inner: ToValue,
    variant: Option<&'static str>,
    values: Vec<Value>,
    pairs: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl Parts {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let index = self.values.len();
        let value = value.serialize(self.inner).map_err(|error| error.at_index(index))?;
        self.values.push(value);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
        let value = value.serialize(self.inner).map_err(|error| error.at_key(name))?;
        self.pairs.push((name.into(), value));
        Ok(())
    }

    fn list(self) -> Result<Value, ValueError> {
        Ok(tagged(self.variant, Value::List(self.values)))
    }

    fn map(self) -> Result<Value, ValueError> {
        Ok(tagged(self.variant, Value::Map(self.pairs)))
    }
}

fn tagged(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Map(vec![(variant.into(), value)]),
        None => value,
    }
}

macro_rules! list {
    ($($trait:ident $method:ident;)*) => {
        $(impl $trait for Parts {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.push(value)
            }

            fn end(self) -> Result<Value, ValueError> {
                self.list()
            }
        })*
    };
}

list! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($trait:ident)*) => {
        $(impl $trait for Parts {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
                self.field(name, value)
            }

            fn end(self) -> Result<Value, ValueError> {
                self.map()
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Parts {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = Some(key.serialize(self.inner)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = self.key.take().unwrap_or_default();
        let value = value.serialize(self.inner).map_err(|error| error.at_key(&key))?;
        self.pairs.push((key, value));
        Ok(())
    }

    fn end(self) -> Result<Value, ValueError> {
        self.map()
    }
}
