//! Functions that run in worker processes: those that behave, and those that misbehave in one way each.

pub(crate) mod behave;
pub(crate) mod hostile;
pub(crate) mod misbehave;
pub(crate) mod trespass;
