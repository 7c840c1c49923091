//! Cuts JavaScript into tokens: enough to tell code from text, comments and patterns, and how deep it is nested. Checks
//! nothing: what is not JavaScript gets some tokens too, and the engine says what is wrong with it.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A string in quotes.
    Text,
    /// A piece of a template that an expression follows.
    TemplateHead,
    /// The last piece of a template.
    TemplateTail,
    /// A regular expression.
    Pattern,
    /// Everything else: one character, or one of `=>`, `++`, `--`, `?.`, `...`.
    Mark,
}

/// A piece of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// Whether a line ended between the token before and this one.
    pub(super) after_line: bool,
    /// How many brackets are open around it. A bracket itself is outside of what it encloses.
    pub(super) depth: usize,
}

/// What an open bracket encloses, for its end decides whether a `/` divides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Group { of_statement: bool },
    List,
    Block,
    Object,
    Template,
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
    tokens: Vec<Token>,
    // Whether the token before ends an operand, so that a `/` divides.
    operand: bool,
}

/// Keywords after which an operand is expected.
const BEFORE_OPERAND: [&str; 17] = [
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
    "extends",
    "default",
    "export",
];

/// Whether an operand is expected after this word.
pub(super) fn expects_operand(word: &str) -> bool {
    BEFORE_OPERAND.contains(&word)
}

/// Cuts `source` into tokens.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer =
        Lexer { source, bytes: source.as_bytes(), at: 0, open: Vec::new(), tokens: Vec::new(), operand: false };
    if source.starts_with("#!") {
        lexer.skip_line();
    }
    while lexer.next() {}
    lexer.tokens
}

impl Lexer<'_> {
    fn next(&mut self) -> bool {
        let after_line = self.skip_space();
        let start = self.at;
        let Some(&byte) = self.bytes.get(start) else {
            return false;
        };
        let mut depth = self.open.len();
        let kind = match byte {
            b'"' | b'\'' => self.text(byte),
            b'`' => self.template(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            b'/' if !self.operand => self.pattern(),
            b'(' | b'[' | b'{' => self.opening(byte),
            b')' | b']' | b'}' => {
                let kind = self.closing();
                depth = self.open.len();
                kind
            }
            _ if is_word(byte) => self.word(),
            _ => self.mark(),
        };
        self.tokens.push(Token { kind, start, end: self.at, after_line, depth });
        true
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Skips white space and comments; tells whether a line ended.
    fn skip_space(&mut self) -> bool {
        let mut line = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' | b'\r' => {
                    line = true;
                    self.at += 1;
                }
                b'/' if self.peek(1) == Some(b'/') => self.skip_line(),
                b'/' if self.peek(1) == Some(b'*') => line |= self.skip_block_comment(),
                _ if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                0x80.. => match self.source[self.at..].chars().next() {
                    Some(space) if space.is_whitespace() || space == '\u{feff}' => {
                        line |= matches!(space, '\u{2028}' | '\u{2029}');
                        self.at += space.len_utf8();
                    }
                    _ => break,
                },
                _ => break,
            }
        }
        line
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    fn skip_block_comment(&mut self) -> bool {
        let rest = &self.source[self.at..];
        let length = rest[2..].find("*/").map_or(rest.len(), |end| end + 4);
        self.at += length;
        rest[..length].contains('\n')
    }

    fn text(&mut self, quote: u8) -> Kind {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.at += 1,
                b'\n' => break,
                _ => {}
            }
            self.at += 1;
            if byte == quote {
                break;
            }
        }
        self.clamp();
        self.operand = true;
        Kind::Text
    }

    /// Reads a template from its backquote, or from the brace that ends an expression in it, to the next expression or its end.
    fn template(&mut self) -> Kind {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'`' => break,
                b'$' if self.peek(0) == Some(b'{') => {
                    self.at += 1;
                    self.open.push(Open::Template);
                    self.operand = false;
                    return Kind::TemplateHead;
                }
                _ => {}
            }
        }
        self.clamp();
        self.operand = true;
        Kind::TemplateTail
    }

    fn pattern(&mut self) -> Kind {
        self.at += 1;
        let mut in_class = false;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'[' => in_class = true,
                b']' => in_class = false,
                b'/' if !in_class => break,
                b'\n' => break,
                _ => {}
            }
        }
        self.clamp();
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        self.operand = true;
        Kind::Pattern
    }

    /// An escape may have stepped over the end, or into the middle of a character.
    fn clamp(&mut self) {
        self.at = self.at.min(self.bytes.len());
        while !self.source.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Kind {
        let hexadecimal = self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'X'));
        while let Some(byte) = self.peek(0) {
            let exponent = !hexadecimal && matches!(byte, b'e' | b'E');
            if exponent && matches!(self.peek(1), Some(b'+' | b'-')) {
                self.at += 1;
            } else if !(is_word(byte) || byte == b'.') {
                break;
            }
            self.at += 1;
        }
        self.operand = true;
        Kind::Number
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if self.peek(1) == Some(b'u') => self.at += 2,
                _ if is_word(byte) && byte != b'\\' => self.at += 1,
                b'{' | b'}' if self.source[start..self.at].contains("\\u{") => self.at += 1,
                b'{' if self.source[start..self.at].ends_with("\\u") => self.at += 1,
                _ => break,
            }
        }
        if self.at == start {
            self.at += 1;
        }
        let member = self.last_is(".") || self.last_is("?.");
        self.operand = member || !expects_operand(&self.source[start..self.at]);
        Kind::Word
    }

    fn last_is(&self, text: &str) -> bool {
        let last = self.tokens.last();
        last.is_some_and(|token| &self.source[token.start..token.end] == text)
    }

    fn opening(&mut self, byte: u8) -> Kind {
        self.at += 1;
        self.open.push(match byte {
            b'(' => Open::Group { of_statement: ["if", "while", "for", "with"].iter().any(|word| self.last_is(word)) },
            b'[' => Open::List,
            _ if self.opens_block() => Open::Block,
            _ => Open::Object,
        });
        self.operand = false;
        Kind::Mark
    }

    /// Whether the `{` that was just read opens a block, rather than an object literal.
    fn opens_block(&self) -> bool {
        let Some(last) = self.tokens.last() else {
            return true;
        };
        let text = &self.source[last.start..last.end];
        match last.kind {
            Kind::Word => !expects_operand(text) || matches!(text, "do" | "else"),
            Kind::Mark => matches!(text, ")" | ";" | "{" | "}" | "=>"),
            _ => false,
        }
    }

    fn closing(&mut self) -> Kind {
        match self.open.pop() {
            Some(Open::Template) => return self.template(),
            Some(Open::Group { of_statement: true } | Open::Block) => self.operand = false,
            _ => self.operand = true,
        }
        self.at += 1;
        Kind::Mark
    }

    fn mark(&mut self) -> Kind {
        let rest = &self.source[self.at..];
        let long = ["=>", "++", "--", "?.", "..."].iter().find(|mark| rest.starts_with(**mark));
        let length = long.map_or_else(|| rest.chars().next().map_or(1, char::len_utf8), |mark| mark.len());
        let postfix = matches!(long, Some(&"++" | &"--"));
        self.operand = postfix && self.operand;
        self.at += length;
        Kind::Mark
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#' | b'\\' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| &source[token.start..token.end]).collect()
    }

    #[test]
    fn code_in_text_comments_and_patterns_is_not_code() {
        assert_eq!(texts("'let' /* let */ + \"await\" // let"), ["'let'", "+", "\"await\""]);
        assert_eq!(texts("x = /let [/]/g.test(y)"), ["x", "=", "/let [/]/g", ".", "test", "(", "y", ")"]);
        assert_eq!(texts("a / let / b"), ["a", "/", "let", "/", "b"]);
        assert_eq!(texts("if (x) /y/"), ["if", "(", "x", ")", "/y/"]);
        assert_eq!(texts("f(x) / y / z").len(), 8);
    }

    #[test]
    fn templates_nest() {
        assert_eq!(texts("`a${ `b${c}` }d` + e"), ["`a${", "`b${", "c", "}`", "}d`", "+", "e"]);
    }

    #[test]
    fn anything_ends() {
        for source in ["'\\", "`${", "/", "/\\", "\"", "}}}", "\\", "\\u{", "é", "/*", "'é\\é", "#!x", "1e+", "0x", "…"]
        {
            let all = tokens(source);
            assert!(all.iter().all(|token| token.start < token.end), "{source}");
        }
    }
}
