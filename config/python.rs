//! The runtime `python`.

use serde::{Deserialize, Serialize};

/// Which Python evaluates code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Python {
    /// The interpreter: a name that is looked for in `PATH`, or a path, such as that of a virtual environment's.
    pub executable: String,
    /// Modules that a template imports once, for all worker processes that are forked from it.
    pub preload: Vec<String>,
}
