//! Which keys there are, what to say about one that there is not, and what was probably meant.

use std::collections::BTreeSet;

use crate::{Problem, config::list, entry::Entry, key_path::KeyPath};

/// Stands for any profile's name.
const ANY: &str = "*";

/// The key in a profile that names the one it begins as a copy of. The loader uses it up: no type has it.
pub(crate) const BASE: &str = "base";

/// Every key there is, in the order of the embedded files, with `*` for the name of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    known: Vec<KeyPath>,
}

impl Keys {
    /// The keys of the lowest layer, which has all of them.
    pub(crate) fn of(layer: &[Entry]) -> Self {
        let values = layer.iter().filter(|entry| entry.value.is_some()).map(|entry| entry.path.in_profile(ANY));
        let (of_profiles, top): (Vec<_>, Vec<_>) = values.partition(|path| path.profile().is_some());
        let base = KeyPath::dotted("profiles").child(ANY).child(BASE);
        let mut seen = BTreeSet::new();
        let all = top.into_iter().chain([base]).chain(of_profiles);
        Self { known: all.filter(|path| seen.insert(path.clone())).collect() }
    }

    /// Where the key stands in the embedded files, for lists of settings in the same order.
    pub(crate) fn position(&self, path: &KeyPath) -> usize {
        let place = path.in_profile(ANY);
        self.known.iter().position(|known| *known == place).unwrap_or(usize::MAX)
    }

    /// Where the first key of a section stands, sections below it not counted.
    pub(crate) fn section_position(&self, section: &KeyPath) -> usize {
        let place = section.in_profile(ANY);
        self.known.iter().position(|known| known.parent() == place).unwrap_or(usize::MAX)
    }

    /// What is wrong with the place of an entry.
    pub(crate) fn complaint(&self, entry: &Entry) -> Option<Problem> {
        let place = entry.path.in_profile(ANY);
        let (what, hint) = match (self.is_value(&place), self.is_section(&place), &entry.value) {
            (true, _, Some(_)) | (_, true, None) => return None,
            (true, _, None) => (format!("`{}` is a value, not a section", entry.path), None),
            (_, true, Some(_)) => (format!("`{}` is a section, not a value{}", entry.path, self.allowed(&place)), None),
            (false, false, _) => self.unknown(entry),
        };
        Some(Problem { origin: entry.origin.clone(), key: Some(entry.path.to_string()), what, hint })
    }

    fn unknown(&self, entry: &Entry) -> (String, Option<String>) {
        let place = entry.path.in_profile(ANY);
        let good = (0..place.names().len()).rev().find(|count| self.is_section(&place.first(*count))).unwrap_or(0);
        let wrong = entry.path.first(good + 1);
        if self.is_value(&place.first(good + 1)) {
            return (format!("`{wrong}` is a value, not a section"), None);
        }
        let what = format!("unknown key `{}`{}", entry.path, self.allowed(&place.first(good)));
        let meant = self.meant(&entry.path, &wrong);
        let spelled: Vec<_> = meant.iter().map(|path| format!("`{}`", entry.origin.spell(path))).collect();
        (what, (!spelled.is_empty()).then(|| format!("did you mean {}?", spelled.join(" or "))))
    }

    /// The keys that look like the wrong one, or else those that end as it does.
    fn meant(&self, path: &KeyPath, wrong: &KeyPath) -> Vec<KeyPath> {
        let name = path.profile().unwrap_or("NAME");
        // Joined by `_`, so that `registry_workers` is as near to `registry.workers` as can be.
        let joined = |path: &KeyPath| path.names().join("_");
        let places = || self.places().into_iter().map(|known| known.in_profile(name));
        let near = places()
            .map(|known| (distance(&joined(wrong), &joined(&known)), known))
            .filter(|(distance, _)| *distance <= tolerance(wrong.last()))
            .min_by_key(|(distance, _)| *distance);
        match near {
            Some((_, known)) => vec![known],
            None => places().filter(|known| known.names().ends_with(path.names())).take(3).collect(),
        }
    }

    /// All keys and all sections.
    fn places(&self) -> BTreeSet<KeyPath> {
        self.known.iter().flat_map(|known| (1..=known.names().len()).map(|count| known.first(count))).collect()
    }

    fn is_value(&self, place: &KeyPath) -> bool {
        self.known.contains(place)
    }

    fn is_section(&self, place: &KeyPath) -> bool {
        self.known.iter().any(|known| known.starts_with(place) && known != place)
    }

    /// The keys below a section, as the end of a sentence.
    fn allowed(&self, section: &KeyPath) -> String {
        let depth = section.names().len();
        let below = self.known.iter().filter(|known| known.starts_with(section));
        let mut names: Vec<&String> = Vec::new();
        for name in below.filter_map(|known| known.names().get(depth)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.iter().any(|name| *name == ANY) {
            return "; it holds one section for each profile".to_owned();
        }
        format!("; there are {}", list(&names))
    }
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known));
    near.filter(|(distance, _)| *distance <= tolerance(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many typing errors a name of that length may have.
fn tolerance(name: &str) -> usize {
    (name.chars().count() / 3).max(1)
}

/// How many typing errors make `left` into `right`: a letter put in, left out, replaced, or swapped with the next.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.iter().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = row[column] + usize::from(letter != other);
            let mut least = replaced.min(row[column + 1] + 1).min(next[column] + 1);
            if line > 0 && column > 0 && left[line - 1] == *other && right[column - 1] == *letter {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        for (left, right, errors) in
            [("", "abc", 3), ("memory", "memory", 0), ("memroy", "memory", 1), ("wait", "waits", 1)]
        {
            assert_eq!(distance(left, right), errors, "{left} {right}");
        }
    }

    #[test]
    fn a_name_that_is_like_no_other_is_not_guessed() {
        assert_eq!(nearest("notbook", ["notebook", "trusted"].into_iter()), Some("notebook"));
        assert_eq!(nearest("exam", ["notebook", "trusted"].into_iter()), None);
    }
}
