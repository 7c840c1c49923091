//! What goes to standard output and standard error while evaluations run. The supervisor lives on the same thread, so a
//! reader that does not read must not stop it: nothing here blocks.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    os::fd::BorrowedFd,
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    stdio,
};
use serde_json::Value;

use super::{json, style::Style};
use crate::{Printed, Stream};

/// How much is written at once: a pipe that can be written to takes as much without blocking (`PIPE_BUF`).
const AT_ONCE: usize = 4096;
/// How long it takes to look again whether a reader has read.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What waits to be written, in order.
#[derive(Debug)]
pub(super) struct Output {
    queue: VecDeque<Printed>,
    /// Whether everything is told as JSON, on standard output.
    pub(super) json: bool,
    pub(super) style: Style,
    /// Whether anything was printed to standard error.
    pub(super) printed_stderr: bool,
    within_line: bool,
}

impl Output {
    pub(super) fn new(json: bool, style: Style) -> Self {
        Self { queue: VecDeque::new(), json, style, printed_stderr: false, within_line: false }
    }

    /// Takes what code printed.
    pub(super) fn print(&mut self, printed: Printed) {
        self.printed_stderr |= printed.stream == Stream::Stderr;
        if self.json {
            self.line(&json::output(&printed));
        } else {
            self.push(printed);
        }
    }

    /// Takes one line of JSON.
    pub(super) fn line(&mut self, json: &Value) {
        self.push(Printed { stream: Stream::Stdout, bytes: format!("{json}\n").into() });
    }

    /// Takes text of our own.
    pub(super) fn text(&mut self, stream: Stream, text: String) {
        self.push(Printed { stream, bytes: text.into() });
    }

    /// Ends the line that code began, where there is one: for a terminal, that shows both streams in one place.
    pub(super) fn end_line(&mut self) {
        if self.within_line {
            self.push(Printed { stream: Stream::Stdout, bytes: Bytes::from_static(b"\n") });
        }
    }

    /// Ends the line in which a terminal shows `^C`.
    pub(super) fn end_echo(&mut self) {
        if !self.json && io::stderr().is_terminal() {
            self.text(Stream::Stderr, "\n".to_owned());
        }
    }

    fn push(&mut self, printed: Printed) {
        if let Some(last) = printed.bytes.last() {
            self.within_line = *last != b'\n';
            self.queue.push_back(printed);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes everything that waits as text, for a place that takes nothing else.
    pub(super) fn take_text(&mut self) -> String {
        self.queue.drain(..).map(|printed| String::from_utf8_lossy(&printed.bytes).into_owned()).collect()
    }

    /// Writes the next piece, as soon as somebody reads. May be dropped and called again: nothing is lost or repeated.
    pub(super) async fn write_some(&mut self) -> io::Result<()> {
        let Some(next) = self.queue.front_mut() else { return Ok(()) };
        let target = match next.stream {
            Stream::Stdout => stdio::stdout(),
            Stream::Stderr => stdio::stderr(),
        };
        while !takes_more(target)? {
            actix_rt::time::sleep(LOOK_AGAIN).await;
        }
        let chunk = &next.bytes[..next.bytes.len().min(AT_ONCE)];
        let written = match rustix::io::write(target, chunk) {
            Ok(written) => written,
            Err(Errno::INTR | Errno::AGAIN) => 0,
            Err(errno) => return Err(errno.into()),
        };
        drop(next.bytes.split_to(written));
        if next.bytes.is_empty() {
            self.queue.pop_front();
        }
        Ok(())
    }

    /// Writes everything.
    pub(super) async fn write_all(&mut self) -> io::Result<()> {
        while !self.is_empty() {
            self.write_some().await?;
        }
        Ok(())
    }
}

/// Whether a write would not block. One that would fail does not block either.
fn takes_more(target: BorrowedFd<'_>) -> io::Result<bool> {
    let mut watched = [PollFd::new(&target, PollFlags::OUT)];
    match rustix::event::poll(&mut watched, Some(&Timespec::default())) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
