//! Oast runs code in worker processes that cannot take their host down with them. A *supervisor* actor owns each worker
//! process, restarts it on a crash, holds it to limits and routes evaluations to it; a *registry* hands out handles.
//!
//! ```no_run
//! use oast::{BlockingCallExt, Oast, Spec, config::Config};
//!
//! fn resize(image: Vec<u8>, width: u32) -> usize {
//!     image.len() / width as usize
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Worker processes are this very program, started anew: here is where they leave its path.
//!     oast::init();
//!     let oast = Oast::start(Config::default())?;
//!     let worker = oast.blocking().worker(Spec::functions("images"))?;
//!     let size = worker.call(resize, (vec![0; 640], 320))?;
//!     assert_eq!(size, 2);
//!     Ok(())
//! }
//! ```
//!
//! # The life of a request
//!
//! 1. A caller asks for a worker once, by name or by lease ([`Oast::worker`], [`Oast::lease`]); its handle then goes
//!    straight to the worker's supervisor, from any thread and any runtime.
//! 2. [`Worker::eval`] names the evaluation and refuses it at once when too many wait. It runs from here on, whether or
//!    not the [`Evaluation`] is awaited.
//! 3. The supervisor asks a pure state machine (`actors/lifecycle.rs`): send it, let it wait, or refuse it.
//! 4. The evaluator (`src/evaluator/process.rs`) writes one frame, at once if the worker process has nothing else.
//! 5. In the worker process the main loop (`src/worker/main_loop.rs`) notes on a shared page that it begins, and gives
//!    the request to the runtime: functions of this program, or JavaScript. Another language runs in its own interpreter, which the
//!    confined process has become, and which has such a loop of its own (`src/worker/shims/`).
//! 6. The answer goes back the same way, and from the reader straight to the caller. What the code printed came through
//!    pipes of its own, and is there before the answer is.
//!
//! When the process ends instead, its guard says how; what may have begun is [`EvalError::Lost`] with the exit report,
//! what cannot have begun waits for the next process, or is told that the state is gone.
//!
//! # What always holds
//!
//! - Every evaluation ends exactly once, with an [`Outcome`] or an [`EvalError`] whose variant tells whether it is safe to
//!   try again.
//! - Nothing that a worker process does or sends can block, panic or exhaust its supervisor.
//! - After an exit, a stop, or a `kill -9` of the host, no process is left, whatever the code forked; as long as the code
//!   does not itself kill the guard that is its parent, which a profile that drops privileges keeps it from.
//! - An exit report says who ended the process: Oast's own decision, the signal, the exit code; a bare SIGKILL from
//!   elsewhere is [`Cause::KilledFromOutside`], and never guessed to be something else.
//! - A caller whose state was lost is told before its next evaluation runs against a blank process.
//! - All queues are bounded, and all waits have deadlines.

pub mod doctor;
mod evaluator;
#[cfg(feature = "cli")]
pub mod front;
mod functions;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod oast;
mod pages;
mod pressure;
mod sandbox;
mod spec;
mod spin;
mod wire;
mod worker;

pub use functions::{
    Arguments, Blob, BlockingCallExt, CallError, CallExt, Callable, Calling, FunctionChannel, call_request,
    decode_result, end_if_interrupted, function_channel, interrupted,
};
pub use oast::{BlockingOast, Oast, StartError};
pub use oast_actors::*;
pub use oast_config as config;
pub use spec::{Spec, UnknownRuntime};
pub use worker::init;

/// The README's example, held true by the doc tests.
#[cfg(all(doctest, feature = "javascript"))]
#[doc = include_str!("../README.md")]
struct Readme;
