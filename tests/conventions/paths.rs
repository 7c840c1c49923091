//! Finds what Rust code names by path, as far as the convention of parts needs it.

use std::collections::BTreeSet;

/// The first segments after `root::` anywhere in `code`: `crate::a::B` and `crate::{a::B, c}` give `a`, and `a` and `c`.
pub(crate) fn segments_after(root: &str, code: &str) -> BTreeSet<String> {
    let start = format!("{root}::");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(&start) {
        let inside_a_word = code[..at].ends_with(|before: char| is_of_name(before) || before == ':');
        if !inside_a_word {
            add_segments(&code[at + start.len()..], &mut found);
        }
    }
    found
}

/// Code without its comments. A `//` within a text ends the line here, too: paths do not stand behind one.
pub(crate) fn without_comments(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn add_segments(rest: &str, found: &mut BTreeSet<String>) {
    let Some(group) = rest.strip_prefix('{') else {
        found.extend(first_name(rest));
        return;
    };
    let mut depth = 0_usize;
    let mut item = 0;
    for (at, letter) in group.char_indices() {
        match (letter, depth) {
            ('{', _) => depth += 1,
            ('}', 1..) => depth -= 1,
            (',' | '}', 0) => {
                found.extend(first_name(&group[item..at]));
                item = at + 1;
            }
            _ => {}
        }
        if letter == '}' && item == at + 1 {
            return;
        }
    }
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path.trim_start().chars().take_while(|letter| is_of_name(*letter)).collect();
    (!name.is_empty()).then_some(name)
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
