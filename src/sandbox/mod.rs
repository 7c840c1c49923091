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
pub(crate) mod steps;
mod steps_text;
mod system_calls;

pub(crate) use files::SYSTEM;
pub(crate) use plan::{Failed, Plan, errno};
pub(crate) use rlimits::Rlimits;
