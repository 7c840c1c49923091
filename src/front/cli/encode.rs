//! Values as JSON. What JSON has is JSON; everything else is an object with one key that begins with `$`. So that the two
//! cannot be mistaken for each other, a map with such a key of its own is written as `$map`.

use std::collections::BTreeSet;

use serde_json::{Map, Number, json};

use crate::{Array, Element, Value};

/// A value as JSON.
pub(super) fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => json!(value),
        Value::Int(number) => json!(number),
        Value::BigInt(digits) => json!({ "$bigint": digits.as_str() }),
        Value::Float(number) => float(*number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({ "$bytes": base64(bytes) }),
        Value::List(values) => values.iter().map(self::value).collect(),
        Value::Map(pairs) => map(pairs),
        Value::Array(array) => {
            json!({ "$array": { "type": element_name(array.element()), "values": elements(array) } })
        }
        Value::Date(moment) => json!({ "$date": float(*moment) }),
        Value::Handle(handle) => json!({ "$handle": { "kind": handle.kind, "text": handle.text } }),
    }
}

/// Bytes in base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if is_padding { '=' } else { char::from(DIGITS[index as usize]) });
        }
    }
    text
}

fn float(number: f64) -> serde_json::Value {
    match Number::from_f64(number) {
        Some(number) => serde_json::Value::Number(number),
        None if number.is_nan() => json!({ "$float": "NaN" }),
        None if number > 0.0 => json!({ "$float": "Infinity" }),
        None => json!({ "$float": "-Infinity" }),
    }
}

fn map(pairs: &[(Value, Value)]) -> serde_json::Value {
    let plain = |(key, value): &(Value, Value)| match key {
        Value::Text(key) if !key.starts_with('$') => Some((key.clone(), self::value(value))),
        _ => None,
    };
    let keys: BTreeSet<&str> =
        pairs.iter().filter_map(|(key, _)| if let Value::Text(key) = key { Some(&**key) } else { None }).collect();
    let object: Option<Map<String, serde_json::Value>> = pairs.iter().map(plain).collect();
    match object {
        Some(object) if keys.len() == pairs.len() => serde_json::Value::Object(object),
        _ => {
            let pairs = pairs.iter().map(|(key, value)| json!([self::value(key), self::value(value)]));
            json!({ "$map": pairs.collect::<Vec<_>>() })
        }
    }
}

/// 64-bit elements keep all their digits: JSON bounds no number, though many who read it do.
fn elements(array: &Array) -> Vec<serde_json::Value> {
    let width = array.element().width();
    array.data().chunks_exact(width).map(|bytes| element(array.element(), bytes)).collect()
}

fn element(element: Element, bytes: &[u8]) -> serde_json::Value {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(eight);
    // Moves the sign to where an `i64` has it, and back down.
    let signed = |bits: u32| unsigned.cast_signed() << (64 - bits) >> (64 - bits);
    match element {
        Element::U8 | Element::U8Clamped | Element::U16 | Element::U32 | Element::U64 => json!(unsigned),
        Element::I8 => json!(signed(8)),
        Element::I16 => json!(signed(16)),
        Element::I32 => json!(signed(32)),
        Element::I64 => json!(signed(64)),
        Element::F32 => float(f64::from(f32::from_le_bytes([eight[0], eight[1], eight[2], eight[3]]))),
        Element::F64 => float(f64::from_le_bytes(eight)),
    }
}

const fn element_name(element: Element) -> &'static str {
    match element {
        Element::I8 => "i8",
        Element::U8 => "u8",
        Element::U8Clamped => "u8_clamped",
        Element::I16 => "i16",
        Element::U16 => "u16",
        Element::I32 => "i32",
        Element::U32 => "u32",
        Element::I64 => "i64",
        Element::U64 => "u64",
        Element::F32 => "f32",
        Element::F64 => "f64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BigInt, Handle};

    fn text(value: &Value) -> String {
        self::value(value).to_string()
    }

    fn pair(key: impl Into<Value>, number: i64) -> (Value, Value) {
        (key.into(), Value::Int(number))
    }

    fn array(element: Element, bytes: &[u8]) -> Value {
        Value::Array(Array::new(element, bytes.to_vec().into()).unwrap())
    }

    #[test]
    fn what_json_has_is_json() {
        let list = Value::List(vec![Value::Null, Value::Bool(true), Value::Int(i64::MIN), Value::Float(1.5)]);
        assert_eq!(text(&list), "[null,true,-9223372036854775808,1.5]");
        let map = Value::Map(vec![pair("a".to_owned(), 1), pair("b\n".to_owned(), 2)]);
        assert_eq!(text(&map), r#"{"a":1,"b\n":2}"#);
    }

    #[test]
    fn what_json_has_not_is_marked() {
        let digits = BigInt::parse("-123456789012345678901234567890").unwrap();
        assert_eq!(text(&Value::BigInt(digits)), r#"{"$bigint":"-123456789012345678901234567890"}"#);
        assert_eq!(text(&Value::Float(f64::NAN)), r#"{"$float":"NaN"}"#);
        assert_eq!(text(&Value::Float(f64::NEG_INFINITY)), r#"{"$float":"-Infinity"}"#);
        assert_eq!(text(&Value::Date(1.0)), r#"{"$date":1.0}"#);
        assert_eq!(text(&Value::Bytes(b"\x00\xff".to_vec().into())), r#"{"$bytes":"AP8="}"#);
        let handle = Handle { id: 3, kind: "function".to_owned(), text: "f()".to_owned() };
        assert_eq!(text(&Value::Handle(handle)), r#"{"$handle":{"kind":"function","text":"f()"}}"#);
    }

    #[test]
    fn typed_arrays_keep_their_numbers() {
        assert_eq!(text(&array(Element::I8, &[0xff])), r#"{"$array":{"type":"i8","values":[-1]}}"#);
        assert_eq!(text(&array(Element::U16, &[1, 2])), r#"{"$array":{"type":"u16","values":[513]}}"#);
        let most = array(Element::U64, &[0xff; 8]);
        assert_eq!(text(&most), r#"{"$array":{"type":"u64","values":[18446744073709551615]}}"#);
        let float = array(Element::F32, &1.5_f32.to_le_bytes());
        assert_eq!(text(&float), r#"{"$array":{"type":"f32","values":[1.5]}}"#);
    }

    #[test]
    fn a_map_that_could_be_mistaken_is_marked_too() {
        let dollar = Value::Map(vec![pair("$date".to_owned(), 1)]);
        assert_eq!(text(&dollar), r#"{"$map":[["$date",1]]}"#);
        let numbers = Value::Map(vec![pair(1_i64, 2)]);
        assert_eq!(text(&numbers), r#"{"$map":[[1,2]]}"#);
        let twice = Value::Map(vec![pair("a".to_owned(), 1), pair("a".to_owned(), 2)]);
        assert_eq!(text(&twice), r#"{"$map":[["a",1],["a",2]]}"#);
    }

    #[test]
    fn base64_has_the_examples_of_its_standard() {
        let examples = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in examples {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
