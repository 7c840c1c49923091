//! The place of a setting: `profiles.notebook.limits.memory`.

use std::{fmt, sync::Arc};

/// The place of a setting or of a section, from the top. Shared, for loading copies many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyPath(Arc<[String]>);

impl KeyPath {
    /// A path from its dotted form. Names with dots in them cannot be said so.
    pub(crate) fn dotted(text: &str) -> Self {
        Self(text.split('.').map(|name| name.trim().to_owned()).collect())
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    pub(crate) fn parent(&self) -> Self {
        self.first(self.0.len().saturating_sub(1))
    }

    /// The first `count` names.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        self.0.iter().cloned().chain([name.to_owned()]).collect()
    }

    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The profile that this is a setting of, or the section of.
    pub(crate) fn profile(&self) -> Option<&str> {
        match &*self.0 {
            [profiles, name, ..] if profiles == "profiles" => Some(name),
            _ => None,
        }
    }

    /// The same place with another profile's name. Places outside the profiles stay.
    pub(crate) fn in_profile(&self, name: &str) -> Self {
        match &*self.0 {
            [profiles, _, rest @ ..] if profiles == "profiles" => {
                [profiles.clone(), name.to_owned()].into_iter().chain(rest.iter().cloned()).collect()
            }
            _ => self.clone(),
        }
    }
}

impl FromIterator<String> for KeyPath {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", key_text(name))?;
        }
        Ok(())
    }
}

/// A key as TOML writes it: bare where it can be.
pub(crate) fn key_text(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A text as TOML writes it, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
