//! What may be set in Oast: types, defaults, loading and validation. Knows no process, actor or runtime.
//!
//! Read [`Profile`] first: it is what a worker is started with.

mod limits;
mod profile;
mod restart;
mod size;

pub use limits::Limits;
pub use profile::{Latency, OnReturn, Profile, Sandbox, State};
pub use restart::{CauseKind, Restart, RestartPolicy};
pub use size::ByteSize;
