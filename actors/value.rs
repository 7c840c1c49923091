//! The values that cross between a caller and a worker process: a closed, self-describing set that every runtime can
//! map to its own. Knows no byte format; `wire.rs` does. Serde's ways in and out are in `value_ser.rs` and `value_de.rs`,
//! the text for people is in `value_text.rs`.

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

/// A value of any runtime. What a runtime has and this enum has not travels as a [`Handle`].
///
/// [`to_value`](crate::to_value) and [`from_value`](crate::from_value) convert from and to any type with serde, also types
/// that have a `Value` within. [`Display`](std::fmt::Display) gives a text for people, of bounded length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename = "oast::Value")]
pub enum Value {
    /// `null`, `undefined`, `None`, `()`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// A whole number of any size.
    BigInt(BigInt),
    /// A double.
    Float(f64),
    /// Text.
    Text(String),
    /// Raw bytes.
    Bytes(Bytes),
    /// An ordered list.
    List(Vec<Value>),
    /// Pairs in the order in which the runtime gave them. Keys are most often [`Text`](Self::Text).
    Map(Vec<(Value, Value)>),
    /// Numbers of one type, packed.
    Array(Array),
    /// A moment: milliseconds since 1970-01-01T00:00:00Z.
    Date(f64),
    /// Something that stays where it is.
    Handle(Handle),
}

/// A whole number of any size, in decimal digits with an optional leading `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct BigInt(String);

/// The type of an [`Array`]'s elements. All are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it: signedness and bits")]
pub enum Element {
    I8,
    U8,
    U8Clamped,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

/// Numbers of one type, packed, little-endian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedArray")]
pub struct Array {
    element: Element,
    data: Bytes,
}

/// What serde reads, before the length is checked.
#[derive(Deserialize)]
struct UncheckedArray {
    element: Element,
    data: Bytes,
}

/// A value that cannot travel, such as a function: what it is and how it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Names it within the worker process that owns it; 0 when the process keeps no hold of it.
    pub id: u64,
    /// Its type in the runtime's words: `function`, `Promise`.
    pub kind: String,
    /// Its text as the runtime prints it.
    pub text: String,
}

impl Element {
    /// How many bytes one element has.
    pub const fn width(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::U8Clamped => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Takes the next number out of packed data that has at least one.
    pub(crate) fn next(self, data: &mut Bytes) -> Value {
        match self {
            Self::I8 => data.get_i8().into(),
            Self::U8 | Self::U8Clamped => data.get_u8().into(),
            Self::I16 => data.get_i16_le().into(),
            Self::U16 => data.get_u16_le().into(),
            Self::I32 => data.get_i32_le().into(),
            Self::U32 => data.get_u32_le().into(),
            Self::I64 => data.get_i64_le().into(),
            Self::U64 => data.get_u64_le().into(),
            Self::F32 => data.get_f32_le().into(),
            Self::F64 => data.get_f64_le().into(),
        }
    }
}

impl Array {
    /// Packs `data`, or gives it back when its length is not a multiple of the element's width.
    pub fn new(element: Element, data: Bytes) -> Result<Self, Bytes> {
        if data.len().is_multiple_of(element.width()) { Ok(Self { element, data }) } else { Err(data) }
    }

    /// The type of the elements.
    pub const fn element(&self) -> Element {
        self.element
    }

    /// The packed bytes.
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.data.len() / self.element.width()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

impl BigInt {
    /// Reads decimal digits with an optional leading `-`; `None` for anything else.
    pub fn parse(digits: &str) -> Option<Self> {
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        let whole = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| Self(digits.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value {
    /// The whole number, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::BigInt(digits) => digits.0.parse().ok(),
            _ => None,
        }
    }

    /// The number as a double, if it is a number. A whole number may be rounded.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::BigInt(digits) => digits.0.parse().ok(),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes, if it is bytes or packed numbers.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Array(array) => Some(array.data()),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// What a map has under this key; of several, the last.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let found = pairs.iter().rev().find(|(name, _)| name.as_str() == Some(key));
        found.map(|(_, value)| value)
    }

    /// What it is, in a word or two.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a whole number",
            Self::BigInt(_) => "a big whole number",
            Self::Float(_) => "a double",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Array(_) => "packed numbers",
            Self::Date(_) => "a date",
            Self::Handle(_) => "a handle",
        }
    }
}

impl TryFrom<String> for BigInt {
    type Error = &'static str;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        Self::parse(&digits).ok_or("a big integer is decimal digits, perhaps after `-`")
    }
}

impl TryFrom<UncheckedArray> for Array {
    type Error = &'static str;

    fn try_from(unchecked: UncheckedArray) -> Result<Self, Self::Error> {
        Self::new(unchecked.element, unchecked.data).map_err(|_data| "the packed numbers end within an element")
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident;)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool;
    i8 => Int;
    i16 => Int;
    i32 => Int;
    i64 => Int;
    u8 => Int;
    u16 => Int;
    u32 => Int;
    f32 => Float;
    f64 => Float;
    &str => Text;
    String => Text;
    Bytes => Bytes;
    BigInt => BigInt;
    Array => Array;
    Handle => Handle;
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<i128> for Value {
    fn from(number: i128) -> Self {
        i64::try_from(number).map_or_else(|_| Self::BigInt(BigInt(number.to_string())), Self::Int)
    }
}

impl From<u128> for Value {
    fn from(number: u128) -> Self {
        i64::try_from(number).map_or_else(|_| Self::BigInt(BigInt(number.to_string())), Self::Int)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        u128::from(number).into()
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        (number as u128).into()
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<Self>, V: Into<Self>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
