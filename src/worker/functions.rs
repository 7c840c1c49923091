//! The runtime `rust`: calls functions of the same program. Knows how to find and run one; how the caller names it is in
//! [`entry`](super::entry), and what a panic becomes is in [`panics`].

use std::{
    cell::RefCell,
    io::{self, Write as _},
    rc::Rc,
    time::Instant,
};

use oast_actors::{Call, Capabilities, EvalId, Job, Raised, Request, Value};

use super::{
    Entry,
    build::build_id,
    panics::{self, Unwound},
    runtime::{Failure, Host, Reply, Runtime},
};
use crate::wire::{BuildId, Encoded};

/// How many calls may wait in the worker process, so that it need not wait for the host between two.
const AHEAD: u32 = 64;

/// Calls functions of the same program, one after another.
pub(crate) struct Functions {
    host: Rc<dyn Host>,
}

thread_local! {
    /// The call that this thread is in.
    static CURRENT: RefCell<Option<(EvalId, Rc<dyn Host>)>> = const { RefCell::new(None) };
}

/// Whether the caller has asked the function that runs now to end. A function that runs long looks now and then, and
/// returns; if it does not within the grace of its limits, its process is ended. `false` outside of a call.
///
/// What it returns then is still the outcome. To have none, call [`end_if_interrupted`].
pub fn interrupted() -> bool {
    CURRENT.with_borrow(|current| {
        let current = current.as_ref();
        current.is_some_and(|(id, host)| host.is_interrupted(*id))
    })
}

/// What the process does for the function that runs now; `None` outside of a call.
pub(super) fn current_host() -> Option<Rc<dyn Host>> {
    CURRENT.with_borrow(|current| current.as_ref().map(|(_, host)| host.clone()))
}

/// Ends the function that runs now if its caller has asked for it: it unwinds, and the evaluation's outcome is that it was
/// interrupted. Does nothing otherwise. To be called on the thread that the function was called on.
pub fn end_if_interrupted() {
    if interrupted() {
        panics::interrupt();
    }
}

impl Functions {
    /// Calls functions for a host that runs the program `build`.
    ///
    /// # Errors
    /// This process runs another program, or cannot know.
    pub(crate) fn new(host: Rc<dyn Host>, build: BuildId) -> io::Result<Self> {
        if build_id()? != build {
            return Err(io::Error::other(
                "the host runs another build of this program: its functions are at other places",
            ));
        }
        Ok(Self { host })
    }

    fn call(&self, id: EvalId, call: Call) -> Result<Encoded, Failure> {
        let entry = Entry::at(call.function).ok_or_else(|| {
            let message = format!("there is no function at {:#x}", call.function);
            raised("UnknownFunction", message)
        })?;
        let arguments = Encoded { bytes: call.arguments, attachments: call.attachments };
        let before = CURRENT.replace(Some((id, self.host.clone())));
        let called = panics::catch(|| entry.run(arguments));
        CURRENT.set(before);
        // What was printed without an end of line is its output too. An error says that nobody reads any more.
        let _ = io::stdout().flush();
        match called {
            Ok(result) => result.map_err(Failure::Raised),
            Err(Unwound::Raised(raised)) => Err(Failure::Raised(raised)),
            Err(Unwound::Interrupted) => Err(Failure::Interrupted),
        }
    }
}

impl Runtime for Functions {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            interleaves: false,
            interrupts: true,
            resets: false,
            evaluates: false,
            calls: true,
            ahead: AHEAD,
        }
    }

    fn start(&mut self, id: EvalId, request: Request) -> Option<Reply> {
        let called = match request.job {
            Job::Call(call) => self.call(id, call),
            Job::Code(_) => {
                let message = "the runtime `rust` calls functions and evaluates no code".to_owned();
                Err(raised("Unsupported", message))
            }
        };
        let result = called.map(|encoded| if request.fetch { encoded.into_value() } else { Value::Null });
        // The value is bytes that only the caller can read: there is no text worth making from it.
        let text = Some(String::new());
        Some(Reply { result, text })
    }

    fn resume(&mut self, _: &mut Vec<(EvalId, Reply)>) {}

    fn wake_at(&self) -> Option<Instant> {
        None
    }

    fn interrupt(&mut self, _: EvalId) -> Option<Reply> {
        None
    }

    fn reset(&mut self, _: &mut Vec<(EvalId, Reply)>) {}
}

fn raised(kind: &str, message: String) -> Failure {
    Failure::Raised(Raised { kind: kind.to_owned(), message, traceback: String::new() })
}

#[cfg(test)]
#[path = "functions_tests.rs"]
mod tests;
