//! Oast: supervised worker processes.

mod functions;
mod wire;
mod worker;

pub use functions::{
    Arguments, Blob, CallError, Callable, call_request, decode_result, end_if_interrupted, interrupted,
};
pub use oast_actors::*;
pub use oast_config as config;
