//! The files embedded in Oast: the lowest layer.

use crate::{
    Origin,
    entry::{Entry, entries},
    key_path::KeyPath,
};

/// The default of every key outside the profiles.
pub(crate) const DEFAULT: &str = include_str!("default.toml");

/// The built-in profiles.
pub(crate) const PROFILES: [(&str, &str); 3] = [
    ("notebook", include_str!("profiles/notebook.toml")),
    ("trusted", include_str!("profiles/trusted.toml")),
    ("untrusted", include_str!("profiles/untrusted.toml")),
];

/// Whether Oast brings that profile along.
pub(crate) fn is_built_in(profile: &str) -> bool {
    PROFILES.iter().any(|(name, _)| *name == profile)
}

/// Every key of the embedded files, in their order.
pub(crate) fn layer() -> Vec<Entry> {
    let mut all = parse(DEFAULT);
    for (name, text) in PROFILES {
        let section = KeyPath::dotted("profiles").child(name);
        let below = |path: &KeyPath| section.names().iter().chain(path.names()).cloned().collect();
        all.extend(parse(text).into_iter().map(|entry| Entry { path: below(&entry.path), ..entry }));
    }
    all
}

fn parse(text: &str) -> Vec<Entry> {
    entries(text, |_| Origin::Default).expect("the embedded files are TOML")
}
