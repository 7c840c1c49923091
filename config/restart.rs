//! When a worker process that ended is started again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::Plain;

/// Which ends of a worker process lead to a new one. As in OTP's supervisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Always, whatever the cause.
    Permanent,
    /// After a cause that [counts](Restart::counts).
    Transient,
    /// Never.
    Temporary,
}

/// Why a worker process ended, as far as the decision to restart it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// It left by itself, with any code.
    Exit,
    /// A signal that it raised itself: a segmentation fault, an abort.
    Signal,
    /// It was over its memory limit.
    Memory,
    /// It was over its time limit, wall or CPU, or did not heed an interrupt.
    Time,
    /// It broke the protocol.
    Protocol,
    /// It did not come to its hello.
    Start,
    /// Somebody outside Oast killed it.
    Outside,
    /// Oast was asked to stop it.
    Asked,
}

/// How a worker process is restarted after it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Which ends lead to a restart.
    pub policy: RestartPolicy,
    /// How many restarts are allowed within [`period`](Self::period): one more and the worker is broken.
    #[serde(with = "Plain::<u32>")]
    pub intensity: u32,
    /// The sliding window in which restarts are counted.
    #[serde(with = "Plain::<Duration>")]
    pub period: Duration,
    /// The delay before the first restart in a row. Zero restarts at once.
    #[serde(with = "Plain::<Duration>")]
    pub backoff_min: Duration,
    /// The longest delay. Each restart in a row doubles the one before, up to this; the delay is drawn evenly from zero to that (full jitter).
    #[serde(with = "Plain::<Duration>")]
    pub backoff_max: Duration,
    /// A worker process that lived this long was healthy: the next delay starts again at the least.
    #[serde(with = "Plain::<Duration>")]
    pub healthy_after: Duration,
    /// The causes that count as failures: they use up the intensity, and `transient` restarts after them.
    pub counts: Vec<CauseKind>,
}
