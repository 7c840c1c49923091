//! Whether Python goes on in the next line: a bracket, a long string or a line is open, or a block, which an empty line ends.
//! Anything else is for the interpreter to judge.

/// Whether `source` goes on in the next line.
pub(super) fn is_incomplete(source: &str) -> bool {
    let Scanned { open, ends_in_string, begins_block, is_continued } = scan(source);
    let has_ended_block =
        source.lines().next_back().is_none_or(|line| line.trim().is_empty()) || source.ends_with('\n');
    open > 0 || ends_in_string || is_continued || (begins_block && !has_ended_block)
}

/// What was seen in a text.
#[derive(Default)]
struct Scanned {
    /// How many brackets are open.
    open: usize,
    ends_in_string: bool,
    /// A line ends with a colon, or is a decorator.
    begins_block: bool,
    /// The last line ends with a backslash.
    is_continued: bool,
}

fn scan(source: &str) -> Scanned {
    let mut scanned = Scanned::default();
    let mut rest = source;
    let mut last = None;
    let mut is_line_start = true;
    while let Some(next) = rest.chars().next() {
        scanned.is_continued = false;
        match next {
            '#' => rest = rest.find('\n').map_or("", |end| &rest[end..]),
            '"' | '\'' => match after_string(rest, next) {
                Some(after) => {
                    rest = after;
                    last = Some(next);
                }
                None => return Scanned { ends_in_string: true, ..scanned },
            },
            _ => {
                rest = &rest[next.len_utf8()..];
                match next {
                    '(' | '[' | '{' => scanned.open += 1,
                    ')' | ']' | '}' => scanned.open = scanned.open.saturating_sub(1),
                    '@' if is_line_start => scanned.begins_block = true,
                    '\n' if last == Some(':') && scanned.open == 0 => scanned.begins_block = true,
                    '\\' => scanned.is_continued = true,
                    _ => {}
                }
            }
        }
        is_line_start = next == '\n';
        if !next.is_whitespace() && next != '#' {
            last = Some(next);
        } else if next == '\n' {
            last = None;
        }
    }
    scanned.begins_block |= last == Some(':') && scanned.open == 0;
    scanned
}

/// What is behind a string; `None` where a long one is open. A short one that is open is the interpreter's to judge.
fn after_string(source: &str, quote: char) -> Option<&str> {
    let long: String = std::iter::repeat_n(quote, 3).collect();
    let is_long = source.starts_with(&long);
    let mut rest = &source[if is_long { 3 } else { 1 }..];
    while let Some(next) = rest.chars().next() {
        if is_long && rest.starts_with(&long) {
            return Some(&rest[3..]);
        }
        rest = &rest[next.len_utf8()..];
        match next {
            '\\' => rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default(),
            '\n' if !is_long => return Some(rest),
            next if next == quote && !is_long => return Some(rest),
            _ => {}
        }
    }
    if is_long { None } else { Some(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_goes_on() {
        for source in [
            "f(",
            "[1,\n2",
            "'''a",
            "\"\"\"a\n'''",
            "1 + \\",
            "if x:",
            "def f():\n    return 1",
            "@cached",
            "for x in y: # z",
        ] {
            assert!(is_incomplete(source), "{source}");
        }
    }

    #[test]
    fn what_is_closed_does_not() {
        for source in [
            "",
            "1",
            "f()",
            "'('",
            "# (",
            "'it\\'s'",
            "x = {1: 2}",
            "'''a\nb'''",
            "def f():\n    return 1\n",
            "a[1:]",
            "'open",
        ] {
            assert!(!is_incomplete(source), "{source}");
        }
    }
}
