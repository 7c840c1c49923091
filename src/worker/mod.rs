//! What runs inside a worker process. [`init`] is the one call at the top of a program's `main`: in a worker process it
//! never returns. Start with [`launcher`], then [`main_loop`], then one of the runtimes.

mod adoption;
mod birth;
mod build;
mod callable;
mod channels;
mod endings;
mod entry;
mod foreign;
mod function_channel;
mod functions;
mod guard;
mod host;
mod inbox;
mod interrupts;
#[cfg(feature = "javascript")]
mod javascript;
mod launcher;
mod main_loop;
mod meter;
mod page;
mod panics;
mod process;
mod runtime;
mod socket;
mod template;
mod vfork;
mod watch;

pub(crate) use build::build_id;
pub use callable::{Arguments, Callable};
pub(crate) use entry::Entry;
pub(crate) use foreign::SHIM;
pub use function_channel::{FunctionChannel, function_channel};
pub(crate) use functions::Functions;
pub use functions::{end_if_interrupted, interrupted};
pub(crate) use host::WorkerHost;
pub(crate) use interrupts::Interrupts;
pub(crate) use main_loop::{Link, MainLoop, Outlet, Received, Wait};
#[cfg(feature = "javascript")]
pub(crate) use process::make_javascript;
pub(crate) use runtime::{Host, Runtime};

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells a process that it is to become a worker process. The launch itself comes over its standard input.
pub(crate) const MARK: &str = "OAST_WORKER";

/// Whether this program has called [`init`]. Without that call its worker processes would run its `main`, start worker
/// processes of their own, and so on: a fork bomb. So none is started.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Makes this program able to be its own worker: call it first in `main`, before any thread is started.
///
/// In a worker process it serves until the supervisor is done with it, and does not return. In any other process it
/// returns at once.
pub fn init() {
    INITIALIZED.store(true, Ordering::Relaxed);
    if std::env::var_os(MARK).is_some() {
        launcher::run();
    }
}

/// Whether worker processes of this program will know what they are.
pub(crate) fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Relaxed)
}
