//! The files of the repository, as checks see them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// What the repository consists of. What else lies around in a working copy is its owner's.
pub(crate) const TOP: [&str; 19] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "actors",
    "config",
    "examples",
    "src",
    "tests",
];

/// Folders that tools fill.
const FILLED_BY_TOOLS: [&str; 3] = ["target", "artifacts", "corpus"];

/// A text file of the repository.
pub(crate) struct File {
    /// Its path from the repository's root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Where the repository is: where Cargo says so now, for the tests may run elsewhere than they were built.
pub(crate) fn root() -> PathBuf {
    told_by_cargo("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    told_by_cargo("CARGO_BIN_EXE_oast", env!("CARGO_BIN_EXE_oast"))
}

fn told_by_cargo(variable: &str, when_built: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| OsString::from(when_built)).into()
}

/// All text files below `top`, a path from the root; all of the repository for an empty one.
pub(crate) fn files(top: &str) -> Vec<File> {
    let root = root();
    let tops = if top.is_empty() { TOP.to_vec() } else { vec![top] };
    let mut found = Vec::new();
    for top in tops {
        collect(&root, &root.join(top), &mut found);
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

/// All files of Rust below the folders.
pub(crate) fn rust_files(folders: &[&str]) -> Vec<File> {
    let all = folders.iter().flat_map(|folder| files(folder));
    all.filter(|file| file.path.ends_with(".rs")).collect()
}

fn collect(root: &Path, path: &Path, found: &mut Vec<File>) {
    if let Ok(entries) = fs::read_dir(path) {
        let filled = path.file_name().is_some_and(|name| FILLED_BY_TOOLS.iter().any(|tool| name == *tool));
        for entry in entries.flatten().filter(|_| !filled) {
            collect(root, &entry.path(), found);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        found.push(File { path, text });
    }
}

impl File {
    /// Whether it holds nothing but tests.
    pub(crate) fn is_tests(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// Its code without the tests at its end.
    pub(crate) fn production(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// Those lines of it that break a rule, as `path:line: text`.
    pub(crate) fn lines_where(&self, breaks: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = (1_usize..).zip(self.text.lines()).filter(|(_, line)| breaks(line));
        lines.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }
}
