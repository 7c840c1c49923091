//! Where lines come from: a line editor at a terminal, or standard input as it is. Both wait on a thread of their own, for
//! the worker's supervisor lives on the main one.

use std::{
    fs,
    io::{self, IsTerminal},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
};

use rustyline::{
    Completer, Config, Editor, ExternalPrinter, Helper, Highlighter, Hinter,
    error::ReadlineError,
    history::{FileHistory, History},
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{commands, incomplete, incomplete_python};
use crate::front::cli::output::Output;

const PROMPT: &str = "> ";
/// How many lines are remembered.
const REMEMBERED: usize = 10_000;

/// What came.
#[derive(Debug)]
pub(super) enum Input {
    /// One entry, which may have several lines.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// There is no more.
    End,
    /// It cannot be read.
    Failed(io::Error),
}

/// Lines, one at a time.
pub(super) struct Lines {
    orders: Sender<Ask>,
    inputs: UnboundedReceiver<Input>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    is_terminal: bool,
}

/// Asks for one line.
struct Ask;

/// Knows when an entry goes on in the next line.
#[derive(Completer, Helper, Highlighter, Hinter)]
struct Continuation {
    /// Whether an entry is incomplete, in a language whose entries can be.
    is_incomplete: Option<fn(&str) -> bool>,
}

impl Validator for Continuation {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = self.goes_on(context.input());
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Continuation {
    fn of(runtime: &str) -> Self {
        let is_incomplete: Option<fn(&str) -> bool> = match runtime {
            "javascript" => Some(incomplete::is_incomplete),
            "python" => Some(incomplete_python::is_incomplete),
            _ => None,
        };
        Self { is_incomplete }
    }

    fn goes_on(&self, entry: &str) -> bool {
        commands::Command::of(entry.trim()).is_none() && self.is_incomplete.is_some_and(|incomplete| incomplete(entry))
    }
}

impl Lines {
    /// Lines of standard input, edited where a person writes them.
    pub(super) fn open(runtime: &str, json: bool) -> io::Result<Self> {
        let continuation = Continuation::of(runtime);
        let is_terminal = !json && io::stdin().is_terminal() && io::stdout().is_terminal();
        let (orders, receiver) = mpsc::channel();
        let (sender, inputs) = unbounded_channel();
        let thread = std::thread::Builder::new().name("oast-lines".to_owned());
        let mut printer = None;
        if is_terminal {
            let mut editor = editor(continuation).map_err(io::Error::other)?;
            printer = editor.create_external_printer().ok().map(|printer| Box::new(printer) as _);
            thread.spawn(move || edit(editor, &receiver, &sender))?;
        } else {
            thread.spawn(move || read(&continuation, io::stdin().lines(), &receiver, &sender))?;
        }
        Ok(Self { orders, inputs, printer, is_terminal })
    }

    /// Whether a person writes the lines.
    pub(super) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Asks for one more line; [`answer`](Self::answer) brings it.
    pub(super) fn ask(&self) {
        // Without the thread there is no line, and the answer says so.
        drop(self.orders.send(Ask));
    }

    /// The line that was asked for.
    pub(super) async fn answer(&mut self) -> Input {
        self.inputs.recv().await.unwrap_or(Input::End)
    }

    /// Writes what waits in `output`: above the line that is being edited, where there is one.
    pub(super) async fn print_above(&mut self, output: &mut Output) -> io::Result<()> {
        let Some(mut printer) = self.printer.take() else { return output.write_all().await };
        let text = output.take_text();
        // It waits for the editor.
        let print = actix_rt::task::spawn_blocking(move || {
            drop(printer.print(text));
            printer
        });
        self.printer = print.await.ok();
        Ok(())
    }
}

fn editor(continuation: Continuation) -> rustyline::Result<Editor<Continuation, FileHistory>> {
    let config = Config::builder()
        .max_history_size(REMEMBERED)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .auto_add_history(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(continuation));
    Ok(editor)
}

fn edit(mut editor: Editor<Continuation, FileHistory>, orders: &Receiver<Ask>, inputs: &UnboundedSender<Input>) {
    let history = history_file();
    if let Some(file) = &history {
        // The first session has none.
        drop(editor.load_history(file));
    }
    for Ask in orders {
        let input = match editor.readline(PROMPT) {
            Ok(line) => Input::Line(line),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Input::Interrupted,
            Err(ReadlineError::Eof) => Input::End,
            Err(ReadlineError::Io(error)) => Input::Failed(error),
            Err(error) => Input::Failed(io::Error::other(error)),
        };
        if let (Input::Line(_), Some(file)) = (&input, &history) {
            remember(&mut editor, file);
        }
        if inputs.send(input).is_err() {
            return;
        }
    }
}

/// A history that cannot be written is no reason to stop.
fn remember(editor: &mut Editor<Continuation, FileHistory>, file: &Path) {
    if let Some(folder) = file.parent() {
        drop(fs::DirBuilder::new().recursive(true).mode(0o700).create(folder));
    }
    if !editor.history().is_empty() {
        drop(editor.append_history(file));
    }
}

fn read(
    continuation: &Continuation,
    mut lines: impl Iterator<Item = io::Result<String>>,
    orders: &Receiver<Ask>,
    inputs: &UnboundedSender<Input>,
) {
    for Ask in orders {
        if inputs.send(next_entry(continuation, &mut lines)).is_err() {
            return;
        }
    }
}

fn next_entry(continuation: &Continuation, lines: &mut impl Iterator<Item = io::Result<String>>) -> Input {
    let mut entry = String::new();
    for line in lines {
        match line {
            Ok(line) => entry.push_str(&line),
            Err(error) => return Input::Failed(error),
        }
        if !continuation.goes_on(&entry) {
            return Input::Line(entry);
        }
        entry.push('\n');
    }
    if entry.is_empty() { Input::End } else { Input::Line(entry) }
}

/// Where lines are remembered: `$XDG_STATE_HOME/oast/history`, else `~/.local/state/oast/history`.
fn history_file() -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("oast/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<String> {
        entries_of("javascript", text)
    }

    fn entries_of(runtime: &str, text: &str) -> Vec<String> {
        let continuation = Continuation::of(runtime);
        let mut lines = text.lines().map(|line| Ok(line.to_owned()));
        let next = || match next_entry(&continuation, &mut lines) {
            Input::Line(line) => Some(line),
            Input::Interrupted | Input::End | Input::Failed(_) => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn an_open_bracket_joins_lines_into_one_entry() {
        assert_eq!(entries("1\nf(\n2)\n.help\n3"), ["1", "f(\n2)", ".help", "3"]);
    }

    #[test]
    fn an_empty_line_ends_a_block() {
        assert_eq!(entries_of("python", "def f():\n  return 1\n\nf()"), ["def f():\n  return 1\n", "f()"]);
    }

    #[test]
    fn the_end_of_input_ends_an_open_entry() {
        assert_eq!(entries("f(\n1"), ["f(\n1\n"]);
    }
}
