//! How code gets to the place that runs it: one implementation of [`Evaluator`](oast_actors::Evaluator) each.

pub(crate) mod local;
pub(crate) mod process;
