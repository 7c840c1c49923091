//! What runs inside a worker process.

mod build;
mod callable;
mod entry;
mod functions;
mod panics;
mod runtime;

pub use callable::{Arguments, Callable};
pub(crate) use entry::Entry;
pub use functions::{end_if_interrupted, interrupted};
