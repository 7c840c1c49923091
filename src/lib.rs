//! Oast: supervised worker processes.

mod functions;
mod wire;
mod worker;

pub use functions::Blob;
pub use oast_actors::*;
pub use oast_config as config;
