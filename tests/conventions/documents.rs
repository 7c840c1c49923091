//! Documents name what exists: paths of the repository, and commands and flags of the program.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use super::repository::{TOP, files, program, root};

/// A document, as far as it holds: what the change log says of released versions was true for them.
struct Document {
    name: &'static str,
    text: String,
}

impl Document {
    fn all() -> Vec<Self> {
        ["README.md", "CHANGELOG.md"]
            .into_iter()
            .map(|name| {
                let text = files(name).pop().map(|file| file.text).unwrap_or_default();
                let text = text.split("\n## [0").next().unwrap_or_default().to_owned();
                Self { name, text }
            })
            .collect()
    }

    /// What stands in backticks within the prose.
    fn spans(&self) -> Vec<&str> {
        let fences = self.text.split("```").step_by(2);
        fences.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
    }

    /// The lines of its blocks of code.
    fn code_lines(&self) -> Vec<&str> {
        self.text.split("```").skip(1).step_by(2).flat_map(str::lines).map(str::trim).collect()
    }

    /// Where its links lead.
    fn links(&self) -> Vec<&str> {
        self.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()).collect()
    }
}

/// Paths that documents name and that do not exist.
pub(crate) fn missing_paths() -> Vec<String> {
    let mut found = Vec::new();
    for document in Document::all() {
        if document.text.is_empty() {
            found.push(format!("{}: is missing", document.name));
        }
        let spans = document.spans().into_iter().filter(|span| is_path(span));
        let links = document.links().into_iter().filter(|link| !link.contains(':') && !link.is_empty());
        let missing = spans.chain(links).filter(|path| !root().join(path).exists());
        found.extend(missing.map(|path| format!("{}: `{path}` does not exist", document.name)));
    }
    found
}

/// Commands and flags that documents name and that the program's help does not know.
pub(crate) fn missing_commands() -> Vec<String> {
    let help = Help::of_program();
    let mut found = Vec::new();
    for document in Document::all() {
        for line in document.spans().into_iter().chain(document.code_lines()) {
            let missing = arguments(line).filter(|argument| !help.knows(argument));
            found.extend(missing.map(|argument| format!("{}: `oast` knows no `{argument}`", document.name)));
        }
    }
    found
}

/// `src/wire.rs`, `tests/bench/` and `.ci/run` are paths; `text/plain` is none, for nothing of ours is called `text`.
fn is_path(span: &str) -> bool {
    let path_like = span.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
    let first = span.split('/').next().unwrap_or_default();
    let ours = TOP.contains(&first);
    let is_file = [".rs", ".toml", ".md", ".yml"].iter().any(|end| span.ends_with(end));
    path_like && !span.starts_with('/') && ((span.contains('/') && ours) || is_file)
}

/// The command and the flags that a line passes to the program; a line may also be a flag alone.
fn arguments(line: &str) -> impl Iterator<Item = &str> {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let ours = if line.starts_with("cargo run") { line.split_once(" -- ").map(|(_, rest)| rest) } else { None };
    let ours = ours.or_else(|| line.strip_prefix("oast "));
    let command = ours.and_then(|rest| rest.split(' ').next()).filter(|word| is_command(word));
    let flags = ours.or_else(|| line.starts_with("--").then_some(line)).unwrap_or_default();
    let flags = flags.split([' ', '=']).filter(|word| word.starts_with("--") && word.len() > 2);
    command.into_iter().chain(flags)
}

fn is_command(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase())
}

/// What the program says that it can do.
struct Help {
    commands: BTreeSet<String>,
    flags: BTreeSet<String>,
}

impl Help {
    fn of_program() -> Self {
        let overview = help_text(&["help"]);
        let listed = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| line.starts_with(' '));
        let commands: BTreeSet<_> =
            listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        let texts = commands.iter().map(|command| help_text(&["help", command]));
        let texts: Vec<_> = texts.chain([overview.clone()]).collect();
        let words = texts.iter().flat_map(|text| text.split(|letter: char| !is_of_flag(letter)));
        let flags = words.filter(|word| word.starts_with("--")).map(str::to_owned).collect();
        Self { commands, flags }
    }

    fn knows(&self, argument: &str) -> bool {
        self.commands.contains(argument) || self.flags.contains(argument)
    }
}

fn is_of_flag(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-'
}

#[expect(clippy::disallowed_methods, reason = "the program is asked for its help, as its user would")]
fn help_text(arguments: &[&str]) -> String {
    let output = Command::new(program()).args(arguments).stdin(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
