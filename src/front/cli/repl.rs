//! `oast repl`: evaluates line by line. Where the lines come from is in [`lines`], what `.words` do in [`commands`], and
//! what is told of the worker between two lines in [`news`].

mod commands;
mod incomplete;
mod incomplete_python;
mod lines;
mod news;

use std::io;

use self::lines::{Input, Lines};
use super::{
    arguments::Global,
    ending::Ending,
    eval::tell_outcome,
    failure::Failure,
    follow::follow,
    json,
    output::Output,
    session::{Session, with_session},
    signals::Interrupts,
};
use crate::{Code, EvalError, EvalResult, Job, NotStarted, Request, Stream, Subscription};

/// Evaluates line by line.
pub(super) fn repl(global: &Global) -> Result<Ending, Failure> {
    with_session("repl", global, async |session: Session, output: Output| {
        let events = session.oast.events();
        let failed = |error| Failure::output(&error);
        // Heard before the first prompt, or Ctrl-C would end the whole session.
        let interrupts = Interrupts::new().map_err(failed)?;
        let lines = Lines::open(&session.runtime, output.json).map_err(failed)?;
        let mut repl = Repl { session, output, lines, events, interrupts, told: 0, last: Ending::Done };
        repl.live().await.map_err(failed)?;
        Ok(if repl.lines.is_terminal() { Ending::Done } else { repl.last })
    })
}

/// One session.
struct Repl {
    session: Session,
    output: Output,
    lines: Lines,
    events: Subscription,
    interrupts: Interrupts,
    /// The last worker process whose end the user knows of.
    told: u64,
    /// How the last evaluation ended.
    last: Ending,
}

/// Whether the session goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Line,
    Leave,
}

impl Repl {
    async fn live(&mut self) -> io::Result<()> {
        if self.lines.is_terminal() && !self.session.quiet {
            self.output.text(Stream::Stderr, commands::greeting(&self.session.runtime));
        }
        loop {
            self.hear_news().await;
            self.output.write_all().await?;
            let next = match self.next_input().await? {
                Input::Line(line) => self.take(&line).await?,
                Input::Interrupted if self.lines.is_terminal() => Next::Line,
                Input::Interrupted => {
                    self.last = Ending::Interrupted;
                    Next::Leave
                }
                Input::End => Next::Leave,
                Input::Failed(error) => return Err(error),
            };
            if next == Next::Leave {
                return Ok(());
            }
        }
    }

    /// Waits for a line, and tells meanwhile what happens to the worker.
    async fn next_input(&mut self) -> io::Result<Input> {
        self.lines.ask();
        loop {
            tokio::select! {
                input = self.lines.answer() => return Ok(input),
                Some(event) = self.events.next() => {
                    self.tell_event(event);
                    if !self.output.is_empty() {
                        self.lines.print_above(&mut self.output).await?;
                    }
                }
                // At a terminal it is the line editor that sees the key.
                () = self.interrupts.next(), if !self.lines.is_terminal() => return Ok(Input::Interrupted),
            }
        }
    }

    async fn take(&mut self, line: &str) -> io::Result<Next> {
        let word = line.trim();
        if word.is_empty() {
            return Ok(Next::Line);
        }
        match commands::Command::of(word) {
            Some(command) => Ok(self.obey(command).await),
            None => self.evaluate(line).await.map(|()| Next::Line),
        }
    }

    async fn evaluate(&mut self, source: &str) -> io::Result<()> {
        let mut result = self.follow(source).await?;
        // It was not run, for state was lost; but the user knew that when the line was written.
        if matches!(&result, Err(error) if self.was_told(error)) {
            result = self.follow(source).await?;
        }
        if self.lines.is_terminal() {
            self.output.end_line();
        }
        self.last = match self.tell(result) {
            Ok(ending) => ending,
            Err(failure) => self.tell_failure(&failure),
        };
        self.output.write_all().await
    }

    async fn follow(&mut self, source: &str) -> io::Result<EvalResult> {
        let code = Code { source: source.to_owned(), ..Code::default() };
        let request = Request { job: Job::Code(code), fetch: true };
        follow(&self.session, request, &mut self.output, |session| session.worker.restart()).await
    }

    fn was_told(&self, error: &EvalError) -> bool {
        matches!(error, EvalError::NotStarted(NotStarted::Restarted { epoch, .. }) if *epoch <= self.told + 1)
    }

    fn tell(&mut self, result: EvalResult) -> Result<Ending, Failure> {
        let error = match result {
            Ok(outcome) => return tell_outcome(&self.session, &outcome, &mut self.output),
            Err(error) => error,
        };
        let failure = Failure::of(self.session.worker.name(), &error);
        if let Some(report) = &failure.report {
            self.told = self.told.max(report.epoch);
        }
        Err(if self.output.printed_stderr { failure } else { failure.with_stderr() })
    }

    fn tell_failure(&mut self, failure: &Failure) -> Ending {
        if self.output.json {
            self.output.line(&json::failure(failure));
        } else {
            self.output.text(Stream::Stderr, failure.render(self.output.style));
            if failure.report.is_some() {
                self.note("the state of the session is gone; the next line starts anew");
            }
        }
        failure.ending
    }

    /// Says something to a person.
    fn note(&mut self, text: &str) {
        if !self.output.json {
            let label = self.output.style.note("note:");
            self.output.text(Stream::Stderr, format!("{label} {text}\n"));
        }
    }
}
