//! Who gets a worker, how many there are, and how long callers wait for one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ByteSize,
    quantity::{Limit, Plain},
};

/// What the registry hands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// How many worker processes there may be, in all.
    #[serde(with = "Plain::<usize>")]
    pub workers: usize,
    /// How many of them one tenant may have.
    #[serde(with = "Plain::<usize>")]
    pub workers_per_tenant: usize,
    /// How much memory all worker processes may use together, as last measured. Beyond it none is started, and idle ones are
    /// stopped. `None` means unlimited.
    #[serde(with = "Limit::<ByteSize>")]
    pub memory: Option<ByteSize>,
    /// For how much of the time, in per cent, processes of this machine may wait for memory before idle worker processes are
    /// stopped. `None` means not to look, or at 10 % where there is a budget.
    #[serde(with = "Limit::<u32>")]
    pub pressure: Option<u32>,
    /// How long a caller waits for a worker when all are taken. Then it is refused.
    #[serde(with = "Plain::<Duration>")]
    pub wait: Duration,
    /// How many workers of a pool are kept ready although nobody uses them.
    #[serde(with = "Plain::<usize>")]
    pub pool_min: usize,
    /// How many workers a pool may grow to.
    #[serde(with = "Plain::<usize>")]
    pub pool_max: usize,
    /// How many leases of one pool one tenant may have at a time. `None` means as many as the pool has workers.
    #[serde(with = "Limit::<usize>")]
    pub pool_per_tenant: Option<usize>,
    /// After how many forks a template is replaced.
    #[serde(with = "Plain::<u32>")]
    pub template_forks: u32,
    /// After how long a template is replaced.
    #[serde(with = "Plain::<Duration>")]
    pub template_lifetime: Duration,
    /// How many past events are kept for subscribers that read slowly.
    #[serde(with = "Plain::<usize>")]
    pub events: usize,
    /// How long running evaluations may go on when everything shuts down. Then their worker processes are killed.
    #[serde(with = "Plain::<Duration>")]
    pub drain: Duration,
}
