//! Settings from the environment and from flags, where every value is a text.
//!
//! `OAST_PROFILES__NOTEBOOK__LIMITS__MEMORY=1GiB` sets `profiles.notebook.limits.memory`: the name after `OAST_` in small
//! letters, with a dot for each `__`. A profile is found whatever the case of its name, and with `_` for its `-`. The value is
//! a whole number, `true`, `false` or a TOML list where it reads like one, and a text otherwise; quotes keep a text that looks
//! like a number.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
};

use serde::Deserialize as _;
use toml::{Value, de::ValueDeserializer};

use crate::{Origin, Problem, entry::Entry, key_path::KeyPath};

const PREFIX: &str = "OAST_";

/// Variables that begin like settings and are none: they are other parts' own. So is what begins with `OAST_WORKER_`.
pub const NOT_KEYS: [&str; 3] = ["OAST_CONFIG", "OAST_LOG", "OAST_WORKER"];

/// The setting that a variable makes; `None` where it is not one of ours.
pub(crate) fn from_variable(
    name: &OsStr,
    value: &OsString,
    profiles: &BTreeSet<String>,
) -> Option<Result<Entry, Problem>> {
    let lossy = name.to_string_lossy();
    let key = lossy.strip_prefix(PREFIX)?;
    if NOT_KEYS.contains(&lossy.as_ref()) || key.starts_with("WORKER_") {
        return None;
    }
    let origin = Origin::Variable(lossy.clone().into_owned());
    let (Some(_), Some(text)) = (name.to_str(), value.to_str()) else {
        let what = "is not UTF-8".to_owned();
        return Some(Err(Problem { origin, key: None, what, hint: None }));
    };
    let path: KeyPath = key.to_lowercase().split("__").map(str::to_owned).collect();
    let path = with_profile_name(path, profiles);
    Some(Ok(Entry { path, value: Some(value_of(text)), origin }))
}

/// The setting that a flag makes.
pub(crate) fn from_flag(flag: &str, key: &str, value: &str) -> Entry {
    Entry { path: KeyPath::dotted(key), value: Some(value_of(value)), origin: Origin::Flag(flag.to_owned()) }
}

/// Variables are written in capitals and without `-`: this finds the profile that is meant.
fn with_profile_name(path: KeyPath, profiles: &BTreeSet<String>) -> KeyPath {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let meant = path.profile().and_then(|written| profiles.iter().find(|name| plain(name) == written));
    meant.map_or_else(|| path.clone(), |name| path.in_profile(name))
}

fn value_of(text: &str) -> Value {
    let parsed = ValueDeserializer::parse(text).and_then(Value::deserialize);
    match parsed {
        Ok(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_) | Value::String(_))) => value,
        Ok(Value::Float(_) | Value::Datetime(_) | Value::Table(_)) | Err(_) => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(name: &str, profiles: &[&str]) -> Option<String> {
        let profiles = profiles.iter().map(|name| (*name).to_owned()).collect();
        let entry = from_variable(OsStr::new(name), &OsString::from("1"), &profiles)?;
        Some(entry.unwrap().path.to_string())
    }

    #[test]
    fn a_variable_names_its_key() {
        assert_eq!(path_of("OAST_PROFILE", &[]).unwrap(), "profile");
        assert_eq!(path_of("OAST_REGISTRY__POOL_MAX", &[]).unwrap(), "registry.pool_max");
        assert_eq!(path_of("OAST_PROFILES__MY_EXAM__STATE", &["my-Exam"]).unwrap(), "profiles.my-Exam.state");
    }

    #[test]
    fn variables_of_others_are_no_keys() {
        for name in ["PATH", "OAST", "OAST_CONFIG", "OAST_LOG", "OAST_WORKER", "OAST_WORKER_FD", "oast_profile"] {
            assert_eq!(path_of(name, &[]), None, "{name}");
        }
    }

    #[test]
    fn a_value_is_what_it_looks_like() {
        assert_eq!(value_of("64"), Value::Integer(64));
        assert_eq!(value_of("true"), Value::Boolean(true));
        assert_eq!(value_of("[\"PATH\"]"), Value::Array(vec![Value::String("PATH".to_owned())]));
        for text in ["1GiB", "75%", "30s", "1.5", "a b", "", "unlimited", "2026-01-01", "x = 1", "# no"] {
            assert_eq!(value_of(text), Value::String(text.to_owned()), "{text}");
        }
        assert_eq!(value_of("\"64\""), Value::String("64".to_owned()));
    }
}
