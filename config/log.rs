//! What Oast writes about itself.

use serde::{Deserialize, Serialize};

/// What Oast writes about itself, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The least that is worth a line.
    pub level: LogLevel,
}

/// How much a line in the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing is written.
    Off,
    /// Somebody must act.
    Error,
    /// Oast recovered from something.
    Warn,
    /// Workers come and go.
    Info,
    /// Every evaluation.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level's name, as filters of the `tracing` family understand it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
