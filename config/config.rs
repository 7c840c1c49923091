//! All there is to set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{JavaScript, Layers, Log, Profile, Python, Registry, keys::nearest};

/// All there is to set. [`default`](Self::default) is what the embedded `default.toml` says, and [`Layers`] loads the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The profile that a worker gets when nobody names one.
    pub profile: String,
    /// The runtime that evaluates code when nobody names one.
    pub runtime: String,
    /// Who gets a worker.
    pub registry: Registry,
    /// The embedded JavaScript engine.
    pub javascript: JavaScript,
    /// The runtime `python`.
    pub python: Python,
    /// What Oast writes about itself.
    pub log: Log,
    /// The profiles by their names: the built-in ones and those of the user.
    pub profiles: BTreeMap<String, Profile>,
}

impl Config {
    /// The profile of that name.
    ///
    /// ```
    /// let config = oast_config::Config::default();
    /// assert!(config.profile("notebook").is_ok());
    /// let error = config.profile("untrused").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "unknown profile `untrused`, one of `notebook`, `trusted`, `untrusted`\nhint: did you mean `untrusted`?"
    /// );
    /// ```
    pub fn profile(&self, name: &str) -> Result<&Profile, UnknownProfile> {
        self.profiles.get(name).ok_or_else(|| UnknownProfile::new(name, self.profiles.keys()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Layers::new().load().expect("the embedded files are a valid configuration").into_config()
    }
}

/// There is no profile of that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown profile `{name}`, one of {}{}", list(known), self.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
pub struct UnknownProfile {
    /// The name that was asked for.
    pub name: String,
    /// The names there are.
    pub known: Vec<String>,
}

impl UnknownProfile {
    pub(crate) fn new<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Self {
        Self { name: name.to_owned(), known: known.cloned().collect() }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        let name = nearest(&self.name, self.known.iter().map(String::as_str))?;
        Some(format!("did you mean `{name}`?"))
    }
}

/// Names in backticks, with commas.
pub(crate) fn list<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}
