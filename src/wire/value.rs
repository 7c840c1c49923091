//! The layout of a [`Value`]. By hand rather than by serde: bulk bytes leave the body, the depth is bounded, and a length
//! is believed only as far as the body's own bytes back it.

use bincode::error::DecodeError;
use oast_actors::{Array, BigInt, Element, Handle, Value};

use super::{EncodeError, body::Body, encode::BodyWriter};

/// Writes a value that nests at most `depth` deep.
pub(super) fn write_value(body: &mut BodyWriter<'_>, value: &Value, depth: u32) -> Result<(), EncodeError> {
    let depth = depth.checked_sub(1).ok_or(EncodeError::TooDeep)?;
    match value {
        Value::Null => body.put(0u32),
        Value::Bool(value) => body.put((1u32, *value)),
        Value::Int(value) => body.put((2u32, *value)),
        Value::BigInt(value) => body.put((3u32, value.as_str())),
        Value::Float(value) => body.put((4u32, *value)),
        Value::Text(value) => body.put((5u32, value.as_str())),
        Value::Bytes(value) => {
            body.put(6u32)?;
            body.data(value)
        }
        Value::List(values) => {
            body.put((7u32, values.len() as u64))?;
            values.iter().try_for_each(|value| write_value(body, value, depth))
        }
        Value::Map(pairs) => {
            body.put((8u32, pairs.len() as u64))?;
            pairs.iter().try_for_each(|(key, value)| {
                write_value(body, key, depth)?;
                write_value(body, value, depth)
            })
        }
        Value::Array(array) => {
            body.put((9u32, element_number(array.element())))?;
            body.data(array.data())
        }
        Value::Date(value) => body.put((10u32, *value)),
        Value::Handle(Handle { id, kind, text }) => body.put((11u32, *id, kind.as_str(), text.as_str())),
    }
}

/// Reads a value.
pub(super) fn read_value(body: &mut Body<'_>) -> Result<Value, DecodeError> {
    body.enter()?;
    let value = match body.get::<u32>()? {
        0 => Value::Null,
        1 => Value::Bool(body.get()?),
        2 => Value::Int(body.get()?),
        3 => Value::BigInt(read_big_int(body)?),
        4 => Value::Float(body.get()?),
        5 => Value::Text(body.text()?),
        6 => Value::Bytes(body.data()?),
        7 => read_list(body)?,
        8 => read_map(body)?,
        9 => read_array(body)?,
        10 => Value::Date(body.get()?),
        11 => Value::Handle(Handle { id: body.get()?, kind: body.text()?, text: body.text()? }),
        _ => return Err(DecodeError::Other("a value of a type that is not known")),
    };
    body.leave();
    Ok(value)
}

fn read_big_int(body: &mut Body<'_>) -> Result<BigInt, DecodeError> {
    BigInt::parse(body.borrowed_text()?).ok_or(DecodeError::Other("a big integer that is not decimal digits"))
}

fn read_list(body: &mut Body<'_>) -> Result<Value, DecodeError> {
    let count = body.get()?;
    let mut values = Vec::with_capacity(body.claim(count, 1)?);
    for _ in 0..count {
        values.push(read_value(body)?);
    }
    Ok(Value::List(values))
}

fn read_map(body: &mut Body<'_>) -> Result<Value, DecodeError> {
    let count = body.get()?;
    let mut pairs = Vec::with_capacity(body.claim(count, 2)?);
    for _ in 0..count {
        pairs.push((read_value(body)?, read_value(body)?));
    }
    Ok(Value::Map(pairs))
}

fn read_array(body: &mut Body<'_>) -> Result<Value, DecodeError> {
    let element = element_of(body.get()?).ok_or(DecodeError::Other("an array of a type that is not known"))?;
    Array::new(element, body.data()?)
        .map(Value::Array)
        .map_err(|_data| DecodeError::Other("an array that ends within an element"))
}

const fn element_number(element: Element) -> u32 {
    match element {
        Element::I8 => 0,
        Element::U8 => 1,
        Element::U8Clamped => 2,
        Element::I16 => 3,
        Element::U16 => 4,
        Element::I32 => 5,
        Element::U32 => 6,
        Element::I64 => 7,
        Element::U64 => 8,
        Element::F32 => 9,
        Element::F64 => 10,
    }
}

const fn element_of(number: u32) -> Option<Element> {
    Some(match number {
        0 => Element::I8,
        1 => Element::U8,
        2 => Element::U8Clamped,
        3 => Element::I16,
        4 => Element::U16,
        5 => Element::I32,
        6 => Element::U32,
        7 => Element::I64,
        8 => Element::U64,
        9 => Element::F32,
        10 => Element::F64,
        _ => return None,
    })
}
