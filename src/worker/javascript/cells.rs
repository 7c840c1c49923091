//! Turns a cell of a session into a script that may run again: `let`, `const` and `class` at the top become `var`s, imports
//! at the top become dynamic ones, and `await` at the top is noticed. Lines stay where they are, and columns too, save on
//! the line where a class or an import begins.

use super::tokens::{Kind, Token, expects_operand, tokens};

/// A cell made ready to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The script.
    pub(super) source: String,
    /// Whether it waits somewhere, so that it must run as the body of an asynchronous function.
    pub(super) waits: bool,
}

/// Makes a cell ready. Text without any of the words that matter is given back as it is.
pub(super) fn prepare(source: String) -> Cell {
    if !mentions_keyword(source.as_bytes()) {
        return Cell { source, waits: false };
    }
    let mut editor = Editor { tokens: tokens(&source), source: &source, edits: Vec::new(), waits: false };
    editor.read();
    let waits = editor.waits;
    let edits = editor.edits;
    let source = if edits.is_empty() { source } else { apply(&source, &edits) };
    Cell { source, waits }
}

/// Whether any of the words occurs anywhere, be it in a string: a cheap look that spares most cells the rest.
fn mentions_keyword(bytes: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"let", b"const", b"class", b"await", b"import", b"export"];
    bytes.iter().enumerate().any(|(at, byte)| {
        matches!(byte, b'l' | b'c' | b'a' | b'i' | b'e') && WORDS.iter().any(|word| bytes[at..].starts_with(word))
    })
}

/// Text that takes the place of a range.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

fn apply(source: &str, edits: &[Edit]) -> String {
    let mut result = String::with_capacity(source.len() + edits.len() * 16);
    let mut at = 0;
    for edit in edits {
        result.push_str(&source[at..edit.start]);
        result.push_str(&edit.text);
        at = edit.end;
    }
    result.push_str(&source[at..]);
    result
}

struct Editor<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    edits: Vec<Edit>,
    waits: bool,
}

impl<'a> Editor<'a> {
    fn text(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| &self.source[token.start..token.end])
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    fn read(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            index = self.statement(index);
        }
    }

    /// Looks at the token at `index` and says which one to look at next.
    fn statement(&mut self, index: usize) -> usize {
        let token = self.tokens[index];
        if token.kind != Kind::Word {
            return index + 1;
        }
        let word = self.text(index);
        if word == "await" {
            self.waits |= !self.is_member(index) && self.text(index + 1) != ":";
            return index + 1;
        }
        if token.depth > 0 || !self.begins_statement(index) {
            return index + 1;
        }
        match word {
            "let" if self.declares(index) => self.declaration(index, true),
            "const" => self.declaration(index, false),
            "class" => self.class(index),
            "import" => self.import(index),
            "export" => self.export(index),
            _ => index + 1,
        }
    }

    fn is_member(&self, index: usize) -> bool {
        index > 0 && matches!(self.text(index - 1), "." | "?.")
    }

    fn begins_statement(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1) else {
            return true;
        };
        match self.text(before) {
            ";" | "}" | "export" => true,
            "default" => before > 0 && self.text(before - 1) == "export",
            _ => self.tokens[index].after_line && self.ends_operand(before),
        }
    }

    fn ends_operand(&self, index: usize) -> bool {
        match self.tokens[index].kind {
            Kind::Word => self.is_member(index) || !expects_operand(self.text(index)),
            Kind::Number | Kind::Text | Kind::TemplateTail | Kind::Pattern => true,
            Kind::TemplateHead => false,
            Kind::Mark => matches!(self.text(index), ")" | "]" | "}" | "++" | "--"),
        }
    }

    /// Whether `let` here is the keyword and not a name.
    fn declares(&self, index: usize) -> bool {
        match self.kind(index + 1) {
            Some(Kind::Word) => !matches!(self.text(index + 1), "in" | "instanceof" | "of"),
            _ => matches!(self.text(index + 1), "[" | "{"),
        }
    }

    /// `let a, b = 1` becomes `var a=void 0, b = 1`: a `var` alone would keep what an earlier run left.
    fn declaration(&mut self, index: usize, may_be_bare: bool) -> usize {
        let keyword = self.tokens[index];
        let text = format!("{:<width$}", "var", width = keyword.end - keyword.start);
        self.replace(keyword.start, keyword.end, text);
        let mut at = index + 1;
        let mut names = true;
        while at < self.tokens.len() && !self.ends_declaration(index, at) {
            let token = self.tokens[at];
            if names && may_be_bare && token.kind == Kind::Word && self.is_bare(at) {
                self.replace(token.end, token.end, "=void 0".to_owned());
            }
            self.waits |= self.text(at) == "await" && !self.is_member(at) && self.text(at + 1) != ":";
            names = token.depth == 0 && self.text(at) == ",";
            at += 1;
        }
        at
    }

    /// Whether the token at `at` belongs to the next statement.
    fn ends_declaration(&self, keyword: usize, at: usize) -> bool {
        let token = self.tokens[at];
        if token.depth > 0 {
            return false;
        }
        if self.text(at) == ";" {
            return true;
        }
        let begins = match token.kind {
            Kind::Word => !matches!(self.text(at), "in" | "instanceof" | "of"),
            Kind::Number | Kind::Text => true,
            _ => matches!(self.text(at), "{" | "++" | "--"),
        };
        at > keyword + 1 && begins && token.after_line && self.ends_operand(at - 1)
    }

    fn is_bare(&self, name: usize) -> bool {
        match self.kind(name + 1) {
            None => true,
            Some(_) => matches!(self.text(name + 1), "," | ";") || self.ends_declaration(name - 1, name + 1),
        }
    }

    /// `class A { … }` becomes `var A=class A { … };`.
    fn class(&mut self, index: usize) -> usize {
        let name = self.text(index + 1);
        let is_named = self.kind(index + 1) == Some(Kind::Word) && name != "extends";
        let braces = |text: &'static str, from: usize| {
            (from..self.tokens.len()).find(|&at| self.tokens[at].depth == 0 && self.text(at) == text)
        };
        let end = braces("{", index + 1).and_then(|body| braces("}", body + 1));
        let (true, Some(end)) = (is_named, end) else {
            return index + 1;
        };
        let start = self.tokens[index].start;
        self.replace(start, start, format!("var {name}="));
        self.waits |= (index..end).any(|at| self.text(at) == "await" && !self.is_member(at));
        let after = self.tokens[end].end;
        self.replace(after, after, ";".to_owned());
        end + 1
    }

    /// `import a, { b as c } from "m"` becomes `var {default:a,b:c}=await import("m");`.
    fn import(&mut self, index: usize) -> usize {
        if matches!(self.text(index + 1), "(" | ".") {
            return index + 1;
        }
        let specifier = (index + 1..self.tokens.len())
            .find(|&at| self.kind(at) == Some(Kind::Text) && (at == index + 1 || self.text(at - 1) == "from"));
        let Some(specifier) = specifier else {
            return index + 1;
        };
        let Some(bindings) = self.bindings(index + 1, specifier.saturating_sub(1)) else {
            return index + 1;
        };
        let (attributes, last) = self.attributes(specifier);
        let range = self.tokens[index].start..self.tokens[last].end;
        let lines = self.source[range.clone()].matches('\n').count();
        let module = self.text(specifier);
        let text = format!("{}await import({module}{attributes});{}", bindings, "\n".repeat(lines));
        self.replace(range.start, range.end, text);
        self.waits = true;
        last + 1
    }

    /// The declaration that an import clause between two tokens amounts to, up to its `=`.
    fn bindings(&self, from: usize, to: usize) -> Option<String> {
        let mut parts = Vec::new();
        let mut namespace = None;
        let mut at = from;
        while at < to {
            match self.text(at) {
                "*" if self.text(at + 1) == "as" => {
                    namespace = Some(self.text(at + 2));
                    at += 3;
                }
                "{" | "}" | "," => at += 1,
                name if self.text(at + 1) == "as" => {
                    parts.push(format!("{name}:{}", self.text(at + 2)));
                    at += 3;
                }
                name if self.tokens[at].depth == 0 => {
                    parts.push(format!("default:{name}"));
                    at += 1;
                }
                name => {
                    parts.push(name.to_owned());
                    at += 1;
                }
            }
        }
        let parts = parts.join(",");
        Some(match namespace {
            Some(name) if parts.is_empty() => format!("var {name}="),
            // The namespace first, for the other names are read from it.
            Some(name) => format!("var {{{parts}}}={name}="),
            None if from >= to => String::new(),
            None => format!("var {{{parts}}}="),
        })
    }

    /// The second argument that `with { … }` after the specifier amounts to, and the last token of the statement.
    fn attributes(&self, specifier: usize) -> (String, usize) {
        let none = (String::new(), specifier);
        if self.text(specifier + 1) != "with" || self.text(specifier + 2) != "{" {
            return none;
        }
        let end = (specifier + 3..self.tokens.len()).find(|&at| self.tokens[at].depth == 0 && self.text(at) == "}");
        end.map_or(none, |end| {
            let object = &self.source[self.tokens[specifier + 2].start..self.tokens[end].end];
            (format!(",{{with:{}}}", object.replace('\n', " ")), end)
        })
    }

    /// `export const a = 1` and `export default f` lose their first words, so that a module's text runs as a cell.
    fn export(&mut self, index: usize) -> usize {
        let last = match self.text(index + 1) {
            "let" | "const" | "var" | "function" | "class" | "async" => index,
            "default" => index + 1,
            _ => return index + 1,
        };
        for at in index..=last {
            let token = self.tokens[at];
            self.replace(token.start, token.end, " ".repeat(token.end - token.start));
        }
        last + 1
    }

    fn replace(&mut self, start: usize, end: usize, text: String) {
        self.edits.push(Edit { start, end, text });
    }
}

#[cfg(test)]
#[path = "tests/prepare.rs"]
mod tests;
