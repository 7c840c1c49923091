//! Who may use whom: the table, and what breaks it.

use std::collections::BTreeSet;

use super::{
    paths::{segments_after, without_comments},
    repository::{File, rust_files},
};

/// Each part with the parts that it may use; all of them stand above it, so that there is no cycle.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("config", &[]),
    ("actors", &["config"]),
    ("pages", &[]),
    ("spin", &["config"]),
    ("sandbox", &["config"]),
    ("wire", &["config", "actors"]),
    ("program", &["wire"]),
    ("worker", &["config", "actors", "pages", "spin", "sandbox", "wire", "program"]),
    ("evaluator", &["config", "actors", "pages", "spin", "sandbox", "wire", "program", "worker"]),
    // The files right below src/ that are no part of their own: what users of the library see.
    (FACADE, &["config", "actors", "pages", "spin", "sandbox", "wire", "program", "worker", "evaluator"]),
    // Fronts are users of the library. No front knows another.
    (FRONT, &["config", "actors", FACADE]),
];

const FACADE: &str = "facade";
const FRONT: &str = "front";

/// Packages that only one part may know.
const KNOWN_TO: [(&str, &str); 4] =
    [("bincode", "wire"), ("rquickjs", "worker"), ("clap", FRONT), ("rustyline", FRONT)];

/// The world, which the deciding parts may not touch.
const WORLD: [&str; 4] = ["fs", "net", "os", "process"];

/// Uses that the table does not allow.
pub(crate) fn broken() -> Vec<String> {
    rust_files(&["config", "actors", "src"]).iter().filter(|file| !file.is_tests()).flat_map(broken_in).collect()
}

/// Parts that use one that does not stand above them in the table.
pub(crate) fn cycles() -> Vec<String> {
    let mut above = BTreeSet::new();
    let mut found = Vec::new();
    for (part, may_use) in MAY_USE {
        found.extend(may_use.iter().filter(|used| !above.contains(*used)).map(|used| format!("{part} uses {used}")));
        above.insert(part);
    }
    found
}

/// Places in tests and examples that name one of our packages other than the facade.
pub(crate) fn past_the_facade() -> Vec<String> {
    let files = rust_files(&["tests", "examples"]);
    let outside = files.iter().filter(|file| !file.path.starts_with("tests/fuzz/"));
    outside
        .flat_map(|file| {
            file.lines_where(|line| {
                let code = without_comments(line);
                ["oast_actors", "oast_config"].iter().any(|package| !segments_after(package, code).is_empty())
            })
        })
        .collect()
}

fn broken_in(file: &File) -> Vec<String> {
    let code: String = file.production().lines().flat_map(|line| [without_comments(line), "\n"]).collect();
    let part = part_of(&file.path);
    let allowed = MAY_USE.iter().find(|(name, _)| *name == part).map_or(&[][..], |(_, allowed)| allowed);
    let mut found = Vec::new();
    for used in parts_used(file, &code) {
        if used != part && !allowed.contains(&used.as_str()) {
            found.push(format!("{}: {part} may not use {used}", file.path));
        }
    }
    for (package, owner) in KNOWN_TO {
        if part != owner && !segments_after(package, &code).is_empty() {
            found.push(format!("{}: {part} may not use the package {package}", file.path));
        }
    }
    if part == "actors" {
        let world = segments_after("std", &code).into_iter().filter(|module| WORLD.contains(&module.as_str()));
        found.extend(world.map(|module| format!("{}: actors may not use std::{module}", file.path)));
    }
    found.extend(other_front(file, &code));
    found
}

fn part_of(path: &str) -> &'static str {
    let mut folders = path.split('/');
    let first = folders.next().unwrap_or_default();
    let name = if first == "src" { folders.next().unwrap_or_default().trim_end_matches(".rs") } else { first };
    MAY_USE.iter().map(|(part, _)| *part).find(|part| *part == name).unwrap_or(FACADE)
}

/// The parts that a file names. Within src/ a name that is no part is one of the facade.
fn parts_used(file: &File, code: &str) -> BTreeSet<String> {
    let packages = [("oast_config", "config"), ("oast_actors", "actors")];
    let packages = packages.into_iter().filter(|(package, _)| !segments_after(package, code).is_empty());
    let mut used: BTreeSet<String> = packages.map(|(_, part)| part.to_owned()).collect();
    if file.path.starts_with("src/") {
        let mut modules = segments_after("crate", code);
        if file.path.matches('/').count() == 1 {
            modules.extend(segments_after("super", code));
        }
        used.extend(modules.iter().map(|module| part_of(&format!("src/{module}")).to_owned()));
    }
    used
}

/// A front that names another one: `src/front/cli/eval.rs` may name `front::cli` only.
fn other_front(file: &File, code: &str) -> Vec<String> {
    let Some(rest) = file.path.strip_prefix("src/front/") else { return Vec::new() };
    let own = rest.split(['/', '.']).next().unwrap_or_default();
    let named = segments_after("crate::front", code).into_iter().filter(|name| own != "mod" && name != own);
    named.map(|name| format!("{}: the front {own} may not know the front {name}", file.path)).collect()
}
