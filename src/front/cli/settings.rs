//! The configuration of this run: file, environment and flags, in one.

use super::{arguments::Global, failure::Failure};
use crate::config::{Effective, Layers, locate};

/// Loads what the flags ask for.
pub(super) fn load(global: &Global) -> Result<Effective, Failure> {
    let mut layers = Layers::new();
    if let Some(path) = locate(global.config.as_deref(), |name| std::env::var_os(name)) {
        layers = layers.file(path)?;
    }
    layers = layers.variables(std::env::vars_os());
    for (key, value) in &global.set {
        layers = layers.set(key, value);
    }
    for (flag, key, value) in [("--profile", "profile", &global.profile), ("--runtime", "runtime", &global.runtime)] {
        if let Some(value) = value {
            layers = layers.flag(flag, key, &quoted(value));
        }
    }
    Ok(of_profile(layers, global)?.load()?)
}

/// Flags that set something in the profile, whichever it is.
fn of_profile(mut layers: Layers, global: &Global) -> Result<Layers, Failure> {
    let latency = global.low_latency.then(|| "low".to_owned());
    let flags = [
        ("--memory", "limits.memory", global.memory.as_ref()),
        ("--time", "limits.wall_time", global.time.as_ref()),
        ("--low-latency", "latency", latency.as_ref()),
    ];
    if flags.iter().all(|(_, _, value)| value.is_none()) {
        return Ok(layers);
    }
    // Only the layers below say which profile it is.
    let profile = match &global.profile {
        Some(profile) => profile.clone(),
        None => layers.clone().load()?.config().profile.clone(),
    };
    for (flag, key, value) in flags {
        if let Some(value) = value {
            layers = layers.flag(flag, &format!("profiles.{profile}.{key}"), value);
        }
    }
    Ok(layers)
}

/// A name stays a text, even where it looks like a number.
fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}
