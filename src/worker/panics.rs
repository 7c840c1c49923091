//! Turns a panic of a function into an error with message and backtrace, and keeps it off standard error.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::RefCell,
    mem,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

use oast_actors::Raised;

/// A backtrace is text for people, and a deep recursion has no end of it.
const MAX_TRACEBACK: usize = 64 << 10;

/// How a call ended that did not return.
pub(crate) enum Unwound {
    /// It panicked.
    Raised(Raised),
    /// It ended itself because it was interrupted.
    Interrupted,
}

/// What [`interrupt`] unwinds with.
struct InterruptMark;

thread_local! {
    /// `Some` while this thread is within [`catch`]; then what its last panic said.
    static CAUGHT: RefCell<Option<Raised>> = const { RefCell::new(None) };
}

/// Runs `call` and catches its panic.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Unwound> {
    install_hook();
    let before = CAUGHT.replace(Some(Raised::default()));
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    let raised = CAUGHT.replace(before).unwrap_or_default();
    result.map_err(|payload| {
        let unwound = if payload.is::<InterruptMark>() { Unwound::Interrupted } else { Unwound::Raised(raised) };
        discard(payload);
        unwound
    })
}

/// Ends the call that this thread is in as interrupted.
pub(crate) fn interrupt() -> ! {
    // No hook runs: this is not a panic that anybody wants to read about.
    panic::resume_unwind(Box::new(InterruptMark))
}

/// Drops what a panic carried, whose own `drop` may panic again.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

/// The hook is the process's: it leaves panics of all other threads to the hook before it.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let within = CAUGHT.try_with(|caught| match caught.try_borrow_mut() {
                Ok(mut caught) if caught.is_some() => {
                    *caught = Some(describe(info));
                    true
                }
                _ => false,
            });
            if within != Ok(true) {
                before(info);
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> Raised {
    let place = info.location().map_or_else(String::new, |place| format!("at {place}\n"));
    let mut traceback = format!("{place}{}", Backtrace::force_capture());
    traceback.truncate(traceback.floor_char_boundary(MAX_TRACEBACK));
    Raised { kind: "panic".to_owned(), message: info.payload_as_str().unwrap_or("(no message)").to_owned(), traceback }
}
