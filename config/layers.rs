//! The layers of the configuration, and how they become one: default, file, environment, flags.
//!
//! Each layer is taken apart into its keys with the place where each is written; so every complaint can name that place.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Effective, LoadError, Origin, Problem, built_in,
    check::{Conflict, conflicts},
    entry::{Entry, entries},
    inherit::{Leaf, Leaves, inherit},
    keys::Keys,
    read::read,
    variables::{from_flag, from_variable},
};

/// What stands above the embedded defaults: a file, the environment, flags. A later layer wins, in whatever order they are
/// given here.
///
/// ```
/// use oast_config::{ByteSize, Layers};
///
/// let effective = Layers::new()
///     .text("oast.toml", "[profiles.exam]\nbase = \"untrusted\"\nlimits.memory = \"512MiB\"")
///     .variables([("OAST_REGISTRY__WORKERS", "8"), ("PATH", "/bin")])
///     .set("profile", "exam")
///     .load()?;
/// let config = effective.config();
/// let exam = config.profile(&config.profile).expect("it is defined above");
/// assert_eq!(exam.limits.memory, Some(ByteSize::mib(512)));
/// assert_eq!(exam.limits.memory_soft, Some(ByteSize::mib(384)), "a share follows");
/// assert_eq!(config.registry.workers, 8);
/// # Ok::<(), oast_config::LoadError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Layers {
    file: Option<(PathBuf, String)>,
    variables: Vec<(OsString, OsString)>,
    flags: Vec<Entry>,
}

impl Layers {
    /// The embedded defaults alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the configuration file, and puts it on top of the defaults.
    pub fn file(self, path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        Ok(self.text(path, text))
    }

    /// The text of a configuration file, and what to call it where something is wrong in it.
    pub fn text(mut self, name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.file = Some((name.into(), text.into()));
        self
    }

    /// The environment, as [`std::env::vars_os`] gives it. Only variables that begin with `OAST_` count, without those in
    /// [`NOT_KEYS`](crate::NOT_KEYS): `OAST_REGISTRY__WORKERS=8` sets `registry.workers`.
    pub fn variables<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// One setting of `--set KEY=VALUE`. A later one wins.
    pub fn set(self, key: &str, value: &str) -> Self {
        self.flag("--set", key, value)
    }

    /// One setting of a flag of its own, which complaints then name: `("--memory", "profiles.notebook.limits.memory", "1GiB")`.
    pub fn flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.flags.push(from_flag(flag, key, value));
        self
    }

    /// Makes the layers into one configuration, or says all that is wrong with them.
    pub fn load(self) -> Result<Effective, LoadError> {
        let built_in = built_in::layer();
        let keys = Keys::of(&built_in);
        let mut problems = Vec::new();
        let mut entries = self.entries(&built_in, &mut problems)?;
        drop_unknown(&mut entries, &keys, &mut problems);

        let profiles = profile_names(built_in.iter().chain(&entries));
        let defaults = merge(built_in);
        let mut leaves = defaults.clone();
        leaves.extend(merge(entries));
        problems.extend(inherit(&mut leaves, &profiles));

        let config = match read(&leaves, &defaults) {
            Ok(config) if problems.is_empty() => config,
            Ok(_) => return Err(LoadError::Invalid(problems)),
            Err(bad) => return Err(LoadError::Invalid(problems.into_iter().chain(bad).collect())),
        };
        for problem in conflicts(&config).into_iter().map(|conflict| located(conflict, &leaves)) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(Effective::new(config, leaves, keys)) } else { Err(LoadError::Invalid(problems)) }
    }

    /// What the user's layers say, the lowest first.
    fn entries(self, built_in: &[Entry], problems: &mut Vec<Problem>) -> Result<Vec<Entry>, LoadError> {
        let mut all = Vec::new();
        if let Some((path, text)) = self.file {
            let origin = |line| Origin::File { path: path.clone(), line };
            all = entries(&text, origin).map_err(|error| {
                let what = format!("not TOML: {}", error.message);
                LoadError::Invalid(vec![Problem { origin: origin(error.line), key: None, what, hint: None }])
            })?;
        }
        let profiles = profile_names(built_in.iter().chain(&all));
        for (name, value) in &self.variables {
            match from_variable(name, value, &profiles) {
                Some(Ok(entry)) => all.push(entry),
                Some(Err(problem)) => problems.push(problem),
                None => {}
            }
        }
        all.extend(self.flags);
        Ok(all)
    }
}

/// Takes out what has no place in the configuration. What is below an unknown section goes with it, without a complaint of its
/// own.
fn drop_unknown(entries: &mut Vec<Entry>, keys: &Keys, problems: &mut Vec<Problem>) {
    let mut unknown: Vec<Entry> = Vec::new();
    entries.retain(|entry| {
        let below = |section: &Entry| section.value.is_none() && entry.path.starts_with(&section.path);
        if unknown.iter().any(below) {
            return false;
        }
        let complaint = keys.complaint(entry);
        let known = complaint.is_none();
        if !known {
            unknown.push(entry.clone());
        }
        problems.extend(complaint);
        known
    });
}

fn profile_names<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeSet<String> {
    entries.filter_map(|entry| entry.path.profile()).map(str::to_owned).collect()
}

/// One value for each key: the last.
fn merge(entries: Vec<Entry>) -> Leaves {
    let leaf = |entry: Entry| {
        let written = entry.path.clone();
        entry.value.map(|value| (entry.path, Leaf { value, origin: entry.origin, written }))
    };
    entries.into_iter().filter_map(leaf).collect()
}

/// A conflict is where the latest of its values was written: that one broke it.
fn located(conflict: Conflict, leaves: &Leaves) -> Problem {
    let involved = conflict.keys.iter().filter_map(|key| leaves.get(key));
    let latest = involved.max_by(|one, other| one.origin.cmp(&other.origin));
    let origin = latest.map_or(Origin::Default, |leaf| leaf.origin.clone());
    let key = latest.map(|leaf| leaf.written.to_string());
    Problem { origin, key, what: conflict.what, hint: conflict.hint }
}
