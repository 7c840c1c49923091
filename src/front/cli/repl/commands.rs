//! The words that begin with a dot, which no language here takes for code.

use super::{Next, Repl};
use crate::{Phase, Stream, WorkerStatus};

/// A word that begins with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Reset,
    Status,
    Exit,
    Unknown(String),
}

const HELP: &str = "  .help    tells what there is\n  \
                    .reset   starts anew, with a fresh worker process\n  \
                    .status  tells how the worker is\n  \
                    .exit    leaves, as does Ctrl-D\n  \
                    Ctrl-C   ends the evaluation that runs; pressed again, the worker process\n";

/// What a session at a terminal begins with.
pub(super) fn greeting(runtime: &str) -> String {
    format!("Oast {}, runtime `{runtime}`; `.help` tells more\n", env!("CARGO_PKG_VERSION"))
}

impl Command {
    /// The command that a line is, if it is one: `.5` is a number.
    pub(super) fn of(line: &str) -> Option<Self> {
        let name = line.strip_prefix('.')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        Some(match name {
            "help" => Self::Help,
            "reset" => Self::Reset,
            "status" => Self::Status,
            "exit" => Self::Exit,
            _ => Self::Unknown(line.to_owned()),
        })
    }
}

impl Repl {
    pub(super) async fn obey(&mut self, command: Command) -> Next {
        match command {
            Command::Help => self.output.text(Stream::Stderr, HELP.to_owned()),
            Command::Reset => self.reset().await,
            Command::Status => {
                let text =
                    self.session.worker.status().await.map_or_else(|| "gone\n".to_owned(), |status| tell(&status));
                self.output.text(Stream::Stderr, text);
            }
            Command::Exit => return Next::Leave,
            Command::Unknown(word) => self.note(&format!("there is no `{word}`; `.help` tells what there is")),
        }
        Next::Line
    }

    /// Drops all state, with the process that holds it. A worker that was given up gets another chance.
    async fn reset(&mut self) {
        let worker = &self.session.worker;
        let Some(status) = worker.status().await else { return };
        match status.phase {
            Phase::Broken | Phase::Stopped | Phase::BackingOff => worker.reset(),
            Phase::Starting | Phase::Idle | Phase::Busy => {
                // The end of this one is no news.
                self.told = self.told.max(status.epoch);
                worker.restart();
            }
            Phase::Dormant | Phase::Stopping => {}
        }
        self.note("the next line starts anew");
    }
}

/// Where a worker is in its life.
fn tell(status: &WorkerStatus) -> String {
    let phase = match status.phase {
        Phase::Dormant => "it has no process, and gets one with the next line",
        Phase::Starting => "its process starts",
        Phase::Idle => "its process has nothing to do",
        Phase::Busy => "its process is busy",
        Phase::Stopping => "its process is ending",
        Phase::BackingOff => "it failed, and is started again soon",
        Phase::Broken => "it failed too often, and waits for `.reset`",
        Phase::Stopped => "it was stopped, and waits for `.reset`",
    };
    let mut text = format!("worker `{}`: {phase}\n", status.name);
    if status.pid != 0 {
        let (pid, memory, epoch) = (status.pid, status.memory, status.epoch);
        text.push_str(&format!("  process {pid}, the worker's number {epoch}; memory {memory:#} when last measured\n"));
    }
    for report in &status.history {
        let failure = crate::front::cli::failure::Failure::lost(super::Ending::Killed, report);
        text.push_str(&format!("  before: {}\n", failure.what));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_dot_are_commands_and_numbers_are_not() {
        assert_eq!(Command::of(".exit"), Some(Command::Exit));
        assert_eq!(Command::of(".exti"), Some(Command::Unknown(".exti".to_owned())));
        for code in [".5", ".", "...a", "x.exit", ".5.toString()"] {
            assert_eq!(Command::of(code), None, "{code}");
        }
    }
}
