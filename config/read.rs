//! From merged settings to the typed configuration, and from what serde complains about back to where it was written.

use std::borrow::Cow;

use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

use crate::{
    Config, Origin, Problem,
    built_in::is_built_in,
    effective::value_text,
    inherit::{Leaf, Leaves},
    key_path::KeyPath,
    keys::BASE,
    portion,
};

/// The typed configuration, or all values that are bad. serde stops at the first; so that one is replaced by its default,
/// and serde asked again.
pub(crate) fn read(leaves: &Leaves, defaults: &Leaves) -> Result<Config, Vec<Problem>> {
    let mut leaves = Cow::Borrowed(leaves);
    let mut problems = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(table(&leaves)) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => return Err(problems),
            Err(error) => error,
        };
        let at = place(error.path(), &leaves);
        let leaf = leaves.get(&at);
        let problem = bad_value(leaf, &at, error.inner().message());
        let fallback = default_of(&at, defaults).filter(|_| leaf.is_some_and(|leaf| leaf.origin != Origin::Default));
        // An inherited value is bad in every heir: it is reported once.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        let Some(fallback) = fallback else { return Err(problems) };
        leaves.to_mut().insert(at, fallback.clone());
    }
}

/// The settings as one tree, without the keys that only the loader knows, and with sizes for shares.
fn table(leaves: &Leaves) -> Table {
    let mut root = Table::new();
    for (path, leaf) in leaves.iter().filter(|(path, _)| !(path.profile().is_some() && path.last() == BASE)) {
        insert(&mut root, path.names(), with_sizes(path, leaf, leaves));
    }
    root
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert(name.clone(), value);
    } else if let Value::Table(inner) = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new())) {
        insert(inner, rest, value);
    }
}

/// The settings of a profile that may be a share of its `limits.memory`.
const SHARES: [[&str; 2]; 3] = [["limits", "memory_soft"], ["limits", "growth"], ["sandbox", "data"]];

fn with_sizes(path: &KeyPath, leaf: &Leaf, leaves: &Leaves) -> Value {
    let share = |key: &[&str; 2]| path.profile().is_some() && path.names()[2..] == key[..];
    let Some(text) = leaf.value.as_str().filter(|_| SHARES.iter().any(share)) else {
        return leaf.value.clone();
    };
    let limit = leaves.get(&path.parent().parent().child("limits").child("memory")).map(|leaf| &leaf.value);
    // A bare number of bytes reads like a text of it.
    let limit = limit.map(|value| value.as_str().map_or_else(|| value_text(value), str::to_owned));
    Value::String(portion::resolve(text, limit.as_deref()))
}

/// The setting that serde was at: the longest one that its path begins with.
fn place(path: &Path, leaves: &Leaves) -> KeyPath {
    let names = path.iter().map_while(|segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
    });
    let full: KeyPath = names.collect();
    let prefixes = (0..=full.names().len()).rev().map(|count| full.first(count));
    prefixes.into_iter().find(|prefix| leaves.contains_key(prefix)).unwrap_or(full)
}

fn bad_value(leaf: Option<&Leaf>, at: &KeyPath, why: &str) -> Problem {
    let Some(leaf) = leaf else {
        let what = format!("`{at}`: {why}");
        return Problem { origin: Origin::Default, key: Some(at.to_string()), what, hint: None };
    };
    let what = format!("bad value `{}` for `{}`: {why}", value_text(&leaf.value), leaf.written);
    Problem { origin: leaf.origin.clone(), key: Some(leaf.written.to_string()), what, hint: None }
}

fn default_of<'a>(at: &KeyPath, defaults: &'a Leaves) -> Option<&'a Leaf> {
    let built_in = at.profile().filter(|name| is_built_in(name)).unwrap_or("notebook");
    defaults.get(&at.in_profile(built_in))
}
