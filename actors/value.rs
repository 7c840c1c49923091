//! The values that cross between a caller and a worker process: a closed, self-describing set that every runtime can
//! map to its own. Knows no byte format; `wire.rs` does.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A value of any runtime. What a runtime has and this enum has not travels as a [`Handle`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
pub struct Array {
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
