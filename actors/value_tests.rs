//! Values go through serde and come back, errors say where, and texts are bounded.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use serde::{Deserialize, Serialize};

use crate::{Array, BigInt, Element, Handle, Value, from_value, to_value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i64),
    Tuple(u8, String),
    Struct { a: Option<bool>, b: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    shapes: Vec<Shape>,
    map: BTreeMap<String, i32>,
    numbers: BTreeMap<i64, char>,
    wide: (i128, u128, u64),
    narrow: (i8, f32),
    bytes: Bytes,
    unit: (),
    value: Value,
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "-?[1-9][0-9]{20,50}".prop_map(|digits| Value::BigInt(BigInt::parse(&digits).unwrap())),
        (-1e300..1e300).prop_map(Value::Float),
        ".{0,9}".prop_map(Value::Text),
        vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into())),
        vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Array(Array::new(Element::U8Clamped, bytes.into()).unwrap())),
        (-1e15..1e15).prop_map(Value::Date),
        (any::<i64>(), ".{0,5}", ".{0,5}").prop_map(|(id, kind, text)| {
            let id = id.unsigned_abs();
            Value::Handle(Handle { id, kind, text })
        }),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        any::<i64>().prop_map(Shape::Newtype),
        (any::<u8>(), ".{0,9}").prop_map(|(number, text)| Shape::Tuple(number, text)),
        (option::of(any::<bool>()), -1e9..1e9).prop_map(|(a, b)| Shape::Struct { a, b }),
    ]
}

prop_compose! {
    fn everything()(
        shapes in vec(shape(), 0..4),
        map in prop::collection::btree_map(".{0,5}", any::<i32>(), 0..4),
        numbers in prop::collection::btree_map(any::<i64>(), any::<char>(), 0..4),
        wide in any::<(i128, u128, u64)>(),
        narrow in (any::<i8>(), -1e9f32..1e9),
        bytes in vec(any::<u8>(), 0..9),
        value in value(),
    ) -> Everything {
        Everything { shapes, map, numbers, wide, narrow, bytes: bytes.into(), unit: (), value }
    }
}

proptest! {
    #[test]
    fn any_type_comes_back_as_it_was(everything in everything()) {
        let value = to_value(&everything).unwrap();
        prop_assert_eq!(from_value::<Everything>(value).unwrap(), everything);
    }

    #[test]
    fn a_value_is_itself_to_serde(value in value()) {
        prop_assert_eq!(&to_value(&value).unwrap(), &value);
        prop_assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
    }

    #[test]
    fn a_text_is_never_longer_than_its_bound(value in value(), text in ".{0,20000}") {
        let list = Value::List(vec![value, Value::Text(text)]);
        prop_assert!(list.to_string().chars().count() <= 10_001);
    }
}

#[test]
fn enums_and_structs_are_written_as_people_write_them() {
    let shapes = [Shape::Unit, Shape::Tuple(1, "x".into()), Shape::Struct { a: None, b: 0.5 }];
    let value = to_value(&shapes).unwrap();
    let text = r#"["Unit", {"Tuple": [1, "x"]}, {"Struct": {"a": null, "b": 0.5}}]"#;
    assert_eq!(value.to_string(), text);
}

#[test]
fn packed_numbers_become_lists_and_bytes() {
    let array = |element, bytes: &'static [u8]| Value::Array(Array::new(element, Bytes::from_static(bytes)).unwrap());
    let numbers: Vec<i32> = from_value(array(Element::I16, &[1, 0, 0xFF, 0xFF])).unwrap();
    assert_eq!(numbers, [1, -1]);
    let bytes: Bytes = from_value(array(Element::U8, &[1, 2])).unwrap();
    assert_eq!(&bytes[..], [1, 2]);
    let bytes: Vec<u8> = from_value(Value::Bytes(Bytes::from_static(&[3]))).unwrap();
    assert_eq!(bytes, [3]);
    assert_eq!(from_value::<f64>(Value::Date(5.0)).unwrap(), 5.0);
    assert_eq!(from_value::<f64>(Value::Int(5)).unwrap(), 5.0);
}

#[test]
fn an_error_says_what_was_expected_what_was_found_and_where() {
    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only its type matters")]
        name: String,
    }
    let item: Value = [("name", Value::Null)].into_iter().collect();
    let items: Value = [("items", Value::List(vec![item]))].into_iter().collect();
    let error = from_value::<BTreeMap<String, Vec<Item>>>(items).unwrap_err();
    assert_eq!(error.path(), ".items[0].name");
    assert_eq!(error.to_string(), "at `.items[0].name`: invalid type: unit value, expected a string");
}

#[test]
fn a_handle_cannot_become_anything_else() {
    let (id, kind, text) = (1, "function".into(), "f()".into());
    let error = from_value::<i32>(Value::Handle(Handle { id, kind, text })).unwrap_err();
    assert!(error.to_string().contains("a handle of a function, which cannot travel"), "{error}");
}

#[test]
fn what_nests_too_deeply_is_an_error() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nested(Vec<Nested>);
    let nested = |depth| (1..depth).fold(Nested(Vec::new()), |inner, _| Nested(vec![inner]));
    let deepest = to_value(&nested(127)).unwrap();
    from_value::<Nested>(deepest).unwrap();
    to_value(&nested(129)).unwrap_err();
    let deep = (0..200).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    assert!(from_value::<Nested>(deep).unwrap_err().to_string().contains("nested deeper"));
}

#[test]
fn texts_are_as_a_person_expects() {
    let shown = [
        (Value::Null, "null"),
        (true.into(), "true"),
        (2.into(), "2"),
        (1.5.into(), "1.5"),
        (2.0.into(), "2"),
        (f64::NAN.into(), "NaN"),
        (1e300.into(), "1e300"),
        (u64::MAX.into(), "18446744073709551615n"),
        ("a\"\n\u{1}é".into(), r#""a\"\n\u0001é""#),
        (Bytes::from_static(b"abc").into(), "bytes(3) 616263"),
        (vec![1, 2].into(), "[1, 2]"),
        (Value::Map(vec![(1.into(), "x".into())]), r#"{1: "x"}"#),
        (Array::new(Element::I16, Bytes::from_static(&[1, 0])).unwrap().into(), "I16[1]"),
        (Value::Date(1_000_000_000_001.0), "2001-09-09T01:46:40.001Z"),
        (Value::Date(-1.0), "1969-12-31T23:59:59.999Z"),
        (Value::Date(-1e15), "-029719-04-05T22:13:20.000Z"),
        (Value::Date(f64::INFINITY), "Invalid Date"),
    ];
    for (value, text) in shown {
        assert_eq!(value.to_string(), text);
    }
    let many = Value::from(vec![0; 1000]);
    assert!(many.to_string().ends_with(", … 900 more]"));
}

#[test]
fn accessors_find_what_is_there() {
    let map: Value = [("a", Value::Int(1)), ("b", "x".into())].into_iter().collect();
    assert_eq!(map.get("a").and_then(Value::as_i64), Some(1));
    assert_eq!(map.get("a").and_then(Value::as_f64), Some(1.0));
    assert_eq!(map.get("b").and_then(Value::as_str), Some("x"));
    assert_eq!(map.get("c"), None);
    assert_eq!(Value::from(u64::MAX).as_i64(), None);
}
