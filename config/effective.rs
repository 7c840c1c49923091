//! The configuration that is in force, and where each value came from.

use toml::Value;

use crate::{
    Config, Origin,
    inherit::{Leaf, Leaves},
    key_path::{KeyPath, key_text, quoted},
    keys::Keys,
};

/// The configuration that is in force, and where each value came from.
#[derive(Clone, Debug)]
pub struct Effective {
    config: Config,
    leaves: Leaves,
    keys: Keys,
}

/// One value that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Its section, dotted; empty at the top.
    pub section: String,
    /// Its key in that section.
    pub key: String,
    /// Its value, as TOML writes it.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// The profile that it was inherited from.
    pub inherited: Option<String>,
}

impl Effective {
    pub(crate) fn new(config: Config, leaves: Leaves, keys: Keys) -> Self {
        Self { config, leaves, keys }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration, for keeping.
    pub fn into_config(self) -> Config {
        self.config
    }

    /// Every value that is in force, by section, as in the embedded files.
    pub fn settings(&self) -> Vec<Setting> {
        let mut ordered: Vec<_> = self.leaves.iter().collect();
        ordered.sort_by_cached_key(|(path, _)| order(path, &self.keys));
        ordered.into_iter().map(|(path, leaf)| setting(path, leaf)).collect()
    }

    /// The configuration as a file that loads to the same again, with its origin behind each value.
    ///
    /// ```
    /// let effective = oast_config::Layers::new().set("registry.workers", "8").load()?;
    /// let text = effective.render();
    /// assert!(text.contains("workers = 8                     # from --set\n"));
    /// assert!(text.contains("workers_per_tenant = 16         # from default\n"));
    /// # Ok::<(), oast_config::LoadError>(())
    /// ```
    pub fn render(&self) -> String {
        let mut text = String::new();
        for section in self.settings().chunk_by(|one, next| one.section == next.section) {
            if let Some(Setting { section, .. }) = section.first().filter(|setting| !setting.section.is_empty()) {
                text.push_str(&format!("\n[{section}]\n"));
            }
            let lines: Vec<_> = section.iter().map(|setting| format!("{} = {}", setting.key, setting.value)).collect();
            // One very long list must not push all the others' origins out of sight.
            let width = lines.iter().map(String::len).filter(|length| *length <= 60).max().unwrap_or(0);
            for (setting, line) in section.iter().zip(lines) {
                text.push_str(&format!("{line:width$}   # from {}\n", setting.origin_text()));
            }
        }
        text
    }
}

impl Setting {
    /// Where it was written, for people: `oast.toml:3`, `profile notebook, default`.
    pub fn origin_text(&self) -> String {
        let text = match &self.inherited {
            Some(profile) => format!("profile {profile}, {}", self.origin),
            None => self.origin.to_string(),
        };
        // A comment ends with its line: a path with a line break in it must not write the next one.
        text.replace(char::is_control, "\u{fffd}")
    }
}

/// By profile, then by section, then as in the embedded files. What stands in a section itself comes before the sections
/// below it, or TOML would take it for theirs.
fn order(path: &KeyPath, keys: &Keys) -> (Option<String>, usize, usize) {
    let section = path.parent();
    let section_position = if section.names().is_empty() { 0 } else { keys.section_position(&section) };
    (path.profile().map(str::to_owned), section_position, keys.position(path))
}

fn setting(path: &KeyPath, leaf: &Leaf) -> Setting {
    let inherited = leaf.written.profile().filter(|_| leaf.written != *path).map(str::to_owned);
    let (section, key) = (path.parent().to_string(), key_text(path.last()));
    Setting { section, key, value: value_text(&leaf.value), origin: leaf.origin.clone(), inherited }
}

/// A value as TOML writes it, on one line.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(value_text).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let inner = table.iter().map(|(key, value)| format!("{} = {}", key_text(key), value_text(value)));
            format!("{{ {} }}", inner.collect::<Vec<_>>().join(", "))
        }
    }
}
