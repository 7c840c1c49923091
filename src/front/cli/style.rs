//! Colours, where they are wanted: on a terminal whose user did not set `NO_COLOR`, or as `--color` says.

use std::io::{self, IsTerminal};

use clap::ColorChoice;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Coloured,
}

impl Style {
    pub(super) fn for_stderr(choice: ColorChoice) -> Self {
        Self::of(choice, io::stderr().is_terminal())
    }

    pub(super) fn for_stdout(choice: ColorChoice) -> Self {
        Self::of(choice, io::stdout().is_terminal())
    }

    fn of(choice: ColorChoice, is_terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !set("NO_COLOR") && !dumb(),
        };
        if coloured { Self::Coloured } else { Self::Plain }
    }

    /// For what went wrong.
    pub(super) fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For what could be done about it.
    pub(super) fn hint(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    /// For what is good to know.
    pub(super) fn note(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// For headings.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_the_user_says_otherwise() {
        assert_eq!(Style::of(ColorChoice::Auto, false), Style::Plain);
        assert_eq!(Style::of(ColorChoice::Never, true), Style::Plain);
        assert_eq!(Style::of(ColorChoice::Always, false), Style::Coloured);
    }

    #[test]
    fn text_without_colour_is_the_text_alone() {
        assert_eq!(Style::Plain.error("error:"), "error:");
        assert_eq!(Style::Coloured.error("error:"), "\u{1b}[1;31merror:\u{1b}[0m");
    }
}
