//! What a worker process may use and reach, and the ways to see and end what it started. So far: resource limits of the
//! kernel, memory as the kernel counts it, and everything that descends from a process.

pub(crate) mod available;
pub(crate) mod descendants;
pub(crate) mod memory;
mod rlimits;

pub(crate) use rlimits::{Rlimits, apply};
