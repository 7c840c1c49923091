//! Oast: supervised worker processes.

mod evaluator;
mod functions;
mod sandbox;
mod spec;
mod spin;
mod wire;
mod worker;

pub use functions::{
    Arguments, Blob, CallError, Callable, call_request, decode_result, end_if_interrupted, interrupted,
};
pub use oast_actors::*;
pub use oast_config as config;
pub use spec::{Spec, UnknownRuntime};
pub use worker::init;
