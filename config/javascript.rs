//! The embedded JavaScript engine.

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Portion, quantity::Plain};

/// What the JavaScript engine inside a worker process may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JavaScript {
    /// Memory that the engine gives out: a share of the worker's limit, or a size. Below that limit, so that code which takes
    /// too much gets an error with a line number, and its worker lives on.
    #[serde(with = "Plain::<Portion>")]
    pub memory: Portion,
    /// How deep calls may go, as bytes of stack.
    #[serde(with = "Plain::<ByteSize>")]
    pub stack: ByteSize,
    /// Whether code may `import` files below the working directory.
    pub modules: bool,
}
