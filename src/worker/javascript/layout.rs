//! How the parts of a shown value are put together: quotes, names, and lines that end where a terminal does.

/// How many entries of one object are written out.
pub(super) const ENTRIES: usize = 100;
/// How long a string is written out.
const STRING: usize = 10_000;
/// How wide a line may become.
const WIDTH: usize = 72;

/// Says how many entries are left out.
pub(super) fn more(entries: &mut Vec<String>, all: usize) {
    if all > entries.len() && all > ENTRIES {
        let more = all - entries.len();
        entries.push(format!("... {more} more item{}", if more == 1 { "" } else { "s" }));
    }
}

/// Joins entries on one line where they fit, as many as fit where they are short, and one on each line otherwise.
pub(super) fn brackets(prefix: &str, open: char, entries: Vec<String>, close: char) -> String {
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix} ") };
    if entries.is_empty() {
        return format!("{prefix}{open}{close}");
    }
    let length: usize = entries.iter().map(|entry| entry.len() + 2).sum();
    if length + prefix.len() <= WIDTH && !entries.iter().any(|entry| entry.contains('\n')) {
        return format!("{prefix}{open} {} {close}", entries.join(", "));
    }
    let short = open == '[' && entries.len() > 6 && entries.iter().all(|entry| entry.len() <= 16);
    let mut text = format!("{prefix}{open}\n ");
    let mut column = 1;
    for (at, entry) in entries.iter().enumerate() {
        let wraps = if short { column + entry.len() + 2 > WIDTH } else { at > 0 };
        if wraps {
            text.push_str("\n ");
            column = 1;
        }
        text.push(' ');
        text.push_str(&entry.replace('\n', "\n  "));
        text.push_str(if at + 1 < entries.len() { "," } else { "" });
        column += entry.len() + 2;
    }
    text.push('\n');
    text.push(close);
    text
}

/// A key as an object literal has it.
pub(super) fn name(key: &str) -> String {
    let mut characters = key.chars();
    let begins = characters.next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$'));
    let plain = begins && characters.all(|next| next.is_alphanumeric() || matches!(next, '_' | '$'));
    if plain || key.bytes().all(|byte| byte.is_ascii_digit()) && !key.is_empty() { key.to_owned() } else { quote(key) }
}

/// A string in the quotes that need the fewest escapes.
pub(super) fn quote(text: &str) -> String {
    let mark = match (text.contains('\''), text.contains('"'), text.contains('`')) {
        (true, false, _) => '"',
        (true, true, false) => '`',
        _ => '\'',
    };
    let mut quoted = String::with_capacity(text.len().min(STRING) + 2);
    quoted.push(mark);
    for (at, character) in text.char_indices() {
        if at >= STRING {
            quoted.push(mark);
            quoted.push_str(&format!("... {} more bytes", text.len() - at));
            return quoted;
        }
        match character {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\\' => quoted.push_str("\\\\"),
            _ if character == mark => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted.push_str(&format!("\\x{:02X}", character as u32)),
            _ => quoted.push(character),
        }
    }
    quoted.push(mark);
    quoted
}
