//! The line that says why nothing happens yet, on a terminal, after a moment.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use super::style::Style;
use crate::{Phase, Worker};

/// What takes less is not worth a line.
const MOMENT: Duration = Duration::from_millis(300);

/// The line, while it is shown or may come to be.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    /// Code runs, or nobody wants to know.
    is_over: bool,
    shown: Option<&'static str>,
}

impl Progress {
    pub(super) fn new(quiet: bool, style: Style) -> Self {
        Self { style, is_over: quiet || !io::stderr().is_terminal(), shown: None }
    }

    /// Waits a moment, and says what the worker is waiting for. Ends never once its code runs.
    pub(super) async fn tell(&mut self, worker: &Worker) {
        if self.is_over {
            return std::future::pending().await;
        }
        actix_rt::time::sleep(MOMENT).await;
        match worker.status().await.and_then(|status| waits_for(status.phase)) {
            Some(what) => self.show(what),
            None => self.end(),
        }
    }

    /// Takes the line away, for something else is to be said.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        if self.shown.take().is_some() {
            write("\r\u{1b}[K");
        }
    }

    fn show(&mut self, what: &'static str) {
        if self.shown.replace(what) != Some(what) {
            write(&format!("\r\u{1b}[K{} {what} ...", self.style.note("waiting:")));
        }
    }
}

/// A line for show alone: where it cannot be written, nothing is amiss.
fn write(text: &str) {
    let mut stderr = io::stderr();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

const fn waits_for(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Starting => Some("the worker process starts"),
        Phase::Stopping => Some("the worker process before is ending"),
        Phase::BackingOff => Some("the worker failed, and is started again soon"),
        Phase::Dormant | Phase::Idle | Phase::Busy | Phase::Broken | Phase::Stopped => None,
    }
}
