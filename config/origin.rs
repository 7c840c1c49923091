//! Where a value came from.

use std::{fmt, path::PathBuf};

use crate::key_path::KeyPath;

/// Where a value came from. Later layers are greater, and win.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// The files embedded in Oast.
    Default,
    /// A line of a configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag on the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

impl Origin {
    /// How somebody who writes there says `key`.
    pub(crate) fn spell(&self, key: &KeyPath) -> String {
        match self {
            Self::Variable(_) => format!("OAST_{}", key.names().join("__").to_uppercase().replace('-', "_")),
            Self::Default | Self::File { .. } | Self::Flag(_) => key.to_string(),
        }
    }
}
