//! What every file of source keeps to.

use super::repository::{File, files, rust_files};

const FOLDERS: [&str; 4] = ["config", "actors", "src", "examples"];

const LONGEST: usize = 600;
const LONG: usize = 400;

/// Files that do not open with what they are for.
pub(crate) fn without_opening() -> Vec<String> {
    let silent = |file: &File| {
        let opening = file.text.lines().next().and_then(|line| line.strip_prefix("//! "));
        opening.is_none_or(|opening| opening.len() < 6)
    };
    let files = rust_files(&FOLDERS);
    let production = files.iter().filter(|file| !file.is_tests());
    production.filter(|file| silent(file)).map(|file| format!("{}: does not say what it is for", file.path)).collect()
}

/// Files that are too long; and all long ones where they are more than one in ten.
pub(crate) fn too_long() -> Vec<String> {
    let mut sizes: Vec<_> = rust_files(&FOLDERS)
        .into_iter()
        .filter(|file| !file.is_tests())
        .map(|file| (file.text.lines().count(), file.path))
        .collect();
    sizes.sort_unstable();
    let long = sizes.iter().filter(|(lines, _)| *lines > LONG).count();
    let most = if long * 10 > sizes.len() { LONG } else { LONGEST };
    let over = sizes.into_iter().filter(|(lines, _)| *lines > most);
    over.map(|(lines, path)| format!("{path}: has {lines} lines, more than {most}")).collect()
}

/// Marks of work that was put off. They are put together here, for this file is checked as well.
pub(crate) fn left_for_later() -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];
    let in_files = files("").into_iter().filter(|file| !file.path.ends_with(".lock"));
    in_files.flat_map(|file| file.lines_where(|line| marks.iter().any(|mark| has_word(line, mark)))).collect()
}

/// Comments that read like code. Prose ends a line with `;` or a brace only by accident, and then has no bracket.
pub(crate) fn commented_out() -> Vec<String> {
    let is_code = |line: &str| {
        let Some(comment) = line.trim_start().strip_prefix("//") else { return false };
        let comment = comment.trim();
        let of_statement = comment.ends_with([';', '{']) && comment.contains(['(', '=', ':']);
        let of_item = ["use ", "let ", "fn ", "pub ", "mod ", "#["].iter().any(|start| comment.starts_with(start));
        !comment.starts_with(['/', '!']) && (of_statement || (of_item && comment.ends_with([';', '{', ']'])))
    };
    rust_files(&["config", "actors", "src", "tests", "examples"])
        .iter()
        .flat_map(|file| file.lines_where(is_code))
        .collect()
}

/// Absolute paths of somebody's own folders.
pub(crate) fn local_places() -> Vec<String> {
    let places = [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/ho", "me/")];
    files("")
        .iter()
        .flat_map(|file| file.lines_where(|line| places.iter().any(|place| has_word(line, place))))
        .collect()
}

/// Whether `line` has `word` with nothing around it that would make it part of another one.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |letter: char| letter.is_alphanumeric() || ['_', '-', '.', '$', '}'].contains(&letter);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins)
            && (word.ends_with(['/', ':']) || !after.is_some_and(|after| after != '.' && joins(after)))
    })
}
