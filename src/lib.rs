//! Oast: supervised worker processes.

mod evaluator;
mod functions;
mod program;
mod sandbox;
mod spin;
mod wire;
mod worker;

pub use functions::Blob;
pub use oast_actors::*;
pub use oast_config as config;
pub use worker::init;
