//! What may be set in Oast: types, defaults, loading and validation. Knows no process, actor or runtime.
//!
//! Read [`Profile`] first: it is what a worker is started with. [`Config`] is all there is to set, `default.toml` says what
//! each key is for, and [`Layers`] puts files, environment and flags on top of it.
//!
//! A program that embeds Oast needs no file:
//!
//! ```
//! use std::time::Duration;
//!
//! use oast_config::Profile;
//!
//! let mut profile = Profile::untrusted();
//! profile.limits.wall_time = Some(Duration::from_secs(2));
//! ```

mod config;
mod javascript;
mod limits;
mod log;
mod portion;
mod profile;
mod python;
mod quantity;
mod registry;
mod restart;
mod sandbox;
mod size;
mod time;
mod unit;

mod built_in;
mod check;
mod effective;
mod entry;
mod inherit;
mod key_path;
mod keys;
mod layers;
mod locate;
mod origin;
mod problem;
mod read;
mod variables;

#[cfg(feature = "schema")]
mod schema;

#[cfg(test)]
mod load_tests;

pub use config::{Config, UnknownProfile};
pub use effective::{Effective, Setting};
pub use javascript::JavaScript;
pub use layers::Layers;
pub use limits::Limits;
pub use locate::locate;
pub use log::{Log, LogLevel};
pub use origin::Origin;
pub use portion::Portion;
pub use problem::{LoadError, Problem};
pub use profile::{Latency, OnReturn, Profile, State};
pub use python::Python;
pub use registry::Registry;
pub use restart::{CauseKind, Restart, RestartPolicy};
pub use sandbox::{Files, Mechanism, Network, Privileges, Sandbox, SystemCalls};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use size::ByteSize;
pub use time::{format_duration, parse_duration};
pub use unit::UnitError;
pub use variables::NOT_KEYS;
