//! Profiles that begin as a copy of another one.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use crate::{
    Origin, Problem, UnknownProfile,
    built_in::{PROFILES, is_built_in},
    config::list,
    effective::value_text,
    key_path::KeyPath,
    keys::{BASE, nearest},
};

/// The value of a setting after all layers, and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    /// The key as it was written: another profile's, where the value was inherited.
    pub(crate) written: KeyPath,
}

/// All settings after all layers.
pub(crate) type Leaves = BTreeMap<KeyPath, Leaf>;

/// What a new profile begins as, where it does not say.
const DEFAULT_BASE: &str = "notebook";

/// Gives every profile of the user what it does not say itself. One whose base is wrong gets the default's, so that the
/// rest of it can still be checked.
pub(crate) fn inherit(leaves: &mut Leaves, profiles: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in profiles {
        problems.extend(mistyped(name, leaves));
        let bases = bases(name, leaves, profiles).unwrap_or_else(|problem| {
            // The same base may be wrong for several heirs.
            if !problems.contains(&problem) {
                problems.push(*problem);
            }
            vec![DEFAULT_BASE.to_owned()]
        });
        for base in bases {
            copy(leaves, &base, name);
        }
    }
    problems
}

/// A new profile without a base that is called almost like a built-in one: most likely that one was meant, and its limits
/// would silently stay as they are.
fn mistyped(name: &str, leaves: &Leaves) -> Option<Problem> {
    if is_built_in(name) || leaves.contains_key(&base_key(name)) {
        return None;
    }
    let meant = nearest(name, PROFILES.iter().map(|(name, _)| *name))?;
    let (_, first) = leaves.iter().find(|(path, _)| path.profile() == Some(name))?;
    let what = format!("unknown profile `{name}`, which says no `base`");
    let hint = format!("did you mean `{meant}`? A new profile of such a name says `base = \"{DEFAULT_BASE}\"`");
    Some(problem(first, what, Some(hint)))
}

fn copy(leaves: &mut Leaves, base: &str, name: &str) {
    let of_base = |path: &KeyPath| path.profile() == Some(base) && *path != base_key(base);
    let copied: Vec<_> = leaves
        .iter()
        .filter(|(path, _)| of_base(path))
        .map(|(path, leaf)| (path.in_profile(name), leaf.clone()))
        .collect();
    for (path, leaf) in copied {
        leaves.entry(path).or_insert(leaf);
    }
}

/// The profiles that `name` builds on, the nearest first. The last is a built-in one, which is complete.
fn bases(name: &str, leaves: &Leaves, profiles: &BTreeSet<String>) -> Result<Vec<String>, Box<Problem>> {
    let mut line = vec![name.to_owned()];
    loop {
        let current = line.last().map_or(name, String::as_str);
        let leaf = leaves.get(&base_key(current));
        if is_built_in(current) {
            return match leaf {
                Some(leaf) if current == name => Err(Box::new(base_of_built_in(leaf, name))),
                _ => Ok(line.split_off(1)),
            };
        }
        let base = base_of(leaf, profiles)?;
        let around = line.contains(&base);
        line.push(base);
        if let (true, Some(leaf)) = (around, leaf) {
            return Err(Box::new(cycle(leaf, &line)));
        }
    }
}

fn base_of(leaf: Option<&Leaf>, profiles: &BTreeSet<String>) -> Result<String, Box<Problem>> {
    let Some(leaf) = leaf else {
        return Ok(DEFAULT_BASE.to_owned());
    };
    let Some(base) = leaf.value.as_str() else {
        let allowed = list(&profiles.iter().collect::<Vec<_>>());
        let what = format!(
            "bad value `{}` for `{}`: expected a profile, one of {allowed}",
            value_text(&leaf.value),
            leaf.written
        );
        return Err(Box::new(problem(leaf, what, None)));
    };
    if profiles.contains(base) {
        return Ok(base.to_owned());
    }
    let unknown = UnknownProfile::new(base, profiles.iter());
    let what = format!("bad value `{base}` for `{}`: unknown profile, one of {}", leaf.written, list(&unknown.known));
    Err(Box::new(problem(leaf, what, unknown.hint())))
}

fn base_of_built_in(leaf: &Leaf, name: &str) -> Problem {
    let what = format!("`{}`: the built-in profile `{name}` is complete and has no base", leaf.written);
    problem(leaf, what, Some(format!("define a profile of another name with `base = {}`", value_text(&leaf.value))))
}

fn cycle(leaf: &Leaf, line: &[String]) -> Problem {
    let around = line.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" on ");
    let what = format!("`{}`: profiles build on each other in a circle: {around}", leaf.written);
    problem(leaf, what, Some(format!("build one of them on a built-in profile, as in `base = \"{DEFAULT_BASE}\"`")))
}

fn problem(leaf: &Leaf, what: String, hint: Option<String>) -> Problem {
    Problem { origin: leaf.origin.clone(), key: Some(leaf.written.to_string()), what, hint }
}

/// The key that names the base of a profile.
pub(crate) fn base_key(profile: &str) -> KeyPath {
    KeyPath::dotted("profiles").child(profile).child(BASE)
}
