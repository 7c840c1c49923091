//! Oast: supervised worker processes.

mod worker;

pub use oast_actors::*;
pub use oast_config as config;
