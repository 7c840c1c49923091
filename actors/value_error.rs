//! Why a value and a type do not fit each other, and where.

use std::fmt::{self, Display};

/// Why a value and a type do not fit each other: what was expected, what was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// From the outermost to the innermost, as in `.items[3].name`; empty at the top.
    path: String,
    message: String,
}

/// How deep a value may nest on its way through serde.
pub(crate) const MAX_DEPTH: u32 = 128;

impl ValueError {
    pub(crate) fn new(message: impl Display) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }

    pub(crate) fn too_deep() -> Self {
        Self::new(format_args!("it is nested deeper than {MAX_DEPTH}"))
    }

    /// Says that it happened at this place in a list.
    pub(crate) fn at_index(self, index: usize) -> Self {
        self.within(format_args!("[{index}]"))
    }

    /// Says that it happened at this key of a map.
    pub(crate) fn at_key(self, key: impl Display) -> Self {
        self.within(format_args!(".{key}"))
    }

    fn within(mut self, step: impl Display) -> Self {
        self.path = format!("{step}{}", self.path);
        self
    }

    /// Where, as in `.items[3].name`; empty at the top.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at `{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}

impl serde::ser::Error for ValueError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message)
    }
}
