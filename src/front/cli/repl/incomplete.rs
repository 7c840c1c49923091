//! Whether JavaScript goes on in the next line: a bracket, a template or a block comment is open. Anything else is for the
//! engine to judge.

/// Words after which a `/` begins a regular expression, although they end like a name.
const BEFORE_OPERAND: [&str; 15] = [
    "return",
    "typeof",
    "instanceof",
    "in",
    "of",
    "new",
    "delete",
    "void",
    "throw",
    "case",
    "do",
    "else",
    "await",
    "yield",
    "default",
];

/// Whether `source` goes on in the next line.
pub(super) fn is_incomplete(source: &str) -> bool {
    let mut scanner = Scanner { rest: source, open: Vec::new(), operand_before: false, is_open: false };
    while let Some(next) = scanner.rest.chars().next() {
        if !scanner.step(next) {
            return scanner.is_open;
        }
    }
    !scanner.open.is_empty()
}

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A bracket, and the one that closes it.
    Bracket(char),
    /// The braces within a template.
    Substitution,
}

struct Scanner<'a> {
    rest: &'a str,
    open: Vec<Open>,
    /// Whether what came last is an operand, so that a `/` divides it.
    operand_before: bool,
    /// What is known when scanning ended early.
    is_open: bool,
}

impl Scanner<'_> {
    /// Takes the next token; false when the answer is known.
    fn step(&mut self, next: char) -> bool {
        match next {
            _ if next.is_whitespace() => self.skip(next.len_utf8()),
            '/' if self.rest.starts_with("//") => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
            '/' if self.rest.starts_with("/*") => match self.rest[2..].find("*/") {
                Some(end) => self.skip(end + 4),
                None => self.ends(true),
            },
            '/' if !self.operand_before => self.regular_expression(),
            '\'' | '"' => self.string(next),
            '`' => self.template(1),
            '(' | '[' | '{' => self.opens(Open::Bracket(closing(next))),
            ')' | ']' | '}' => self.closes(next),
            _ if is_name(next) => self.word(),
            _ => {
                self.operand_before = false;
                self.skip(next.len_utf8())
            }
        }
    }

    fn skip(&mut self, bytes: usize) -> bool {
        self.rest = &self.rest[bytes..];
        true
    }

    fn ends(&mut self, is_open: bool) -> bool {
        self.is_open = is_open;
        false
    }

    fn opens(&mut self, what: Open) -> bool {
        self.open.push(what);
        self.operand_before = false;
        self.skip(1)
    }

    /// A bracket that closes nothing is an error, and more lines do not mend it.
    fn closes(&mut self, bracket: char) -> bool {
        match self.open.pop() {
            Some(Open::Substitution) if bracket == '}' => self.template(1),
            Some(Open::Bracket(expected)) if expected == bracket => {
                // After a block, `/` begins a regular expression more often than it divides an object.
                self.operand_before = bracket != '}';
                self.skip(1)
            }
            Some(_) | None => self.ends(false),
        }
    }

    fn word(&mut self) -> bool {
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        self.operand_before = !BEFORE_OPERAND.contains(&&self.rest[..end]);
        self.skip(end)
    }

    /// A string ends on its line, unless a backslash is the last of it.
    fn string(&mut self, quote: char) -> bool {
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, next)) = characters.next() {
            match next {
                '\\' => match characters.next() {
                    Some(_) => {}
                    None => return self.ends(true),
                },
                '\n' => return self.ends(false),
                _ if next == quote => {
                    self.operand_before = true;
                    return self.skip(at + 1);
                }
                _ => {}
            }
        }
        // A backslash at the very end of the entry has its line break still to come.
        self.ends(false)
    }

    /// The text of a template, up to its end or to its next `${`.
    fn template(&mut self, from: usize) -> bool {
        let mut characters = self.rest.char_indices().skip(from);
        while let Some((at, next)) = characters.next() {
            match next {
                '\\' => drop(characters.next()),
                '`' => {
                    self.operand_before = true;
                    return self.skip(at + 1);
                }
                '$' if self.rest[at..].starts_with("${") => {
                    self.skip(at + 1);
                    return self.opens(Open::Substitution);
                }
                _ => {}
            }
        }
        self.ends(true)
    }

    /// A regular expression ends on its line. In `[...]` a `/` is a character.
    fn regular_expression(&mut self) -> bool {
        let mut in_class = false;
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, next)) = characters.next() {
            match next {
                '\\' => drop(characters.next()),
                '[' => in_class = true,
                ']' => in_class = false,
                '\n' => break,
                '/' if !in_class => {
                    self.operand_before = true;
                    return self.skip(at + 1);
                }
                _ => {}
            }
        }
        self.operand_before = false;
        self.skip(1)
    }
}

const fn closing(bracket: char) -> char {
    match bracket {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_goes_on() {
        let open = [
            "f(",
            "[1,\n2",
            "function f() {",
            "if (a) { b(",
            "`one",
            "`one ${ two",
            "`one ${ `two ${ 3 }` }",
            "/* a comment",
            "'a line that goes on \\",
            "({ a: /[/]}/ ",
            "x => {\n  return /}/",
        ];
        for source in open {
            assert!(is_incomplete(source), "{source}");
        }
    }

    #[test]
    fn what_is_closed_is_done() {
        let closed = [
            "",
            "1 + 1",
            "f(1)",
            "'('",
            "\"{ \\\" {\"",
            "'it\\'s (fine'",
            "`a ${ { b: `}` } } c`",
            "`\\${`",
            "// (",
            "1 /* ( */",
            "/[(/]{/.test(a)",
            "a / b / (c)",
            "(a) / 2 + '('.length / 1",
            "return /(/",
            "x = /\\//",
            "ä('é')",
        ];
        for source in closed {
            assert!(!is_incomplete(source), "{source}");
        }
    }

    #[test]
    fn what_is_wrong_is_for_the_engine_to_say() {
        for source in [")", "(]", "'unterminated", "f({)", "}"] {
            assert!(!is_incomplete(source), "{source}");
        }
    }
}
