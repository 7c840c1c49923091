//! What a worker process may use and reach, and the ways to see and end what it started. Read [`plan`] for what is put in
//! place, in which order and why; each mechanism has a file of its own.

pub(crate) mod available;
pub(crate) mod descendants;
mod files;
pub(crate) mod groups;
pub(crate) mod memory;
pub(crate) mod namespaces;
pub(crate) mod plan;
mod privileges;
pub(crate) mod rlimits;
mod root;
mod system_calls;

pub(crate) use plan::{Entered, Failed, Plan};
pub(crate) use rlimits::Rlimits;
