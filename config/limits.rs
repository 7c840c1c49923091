//! What one evaluation and one worker may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ByteSize,
    portion::ShareOfMemory,
    quantity::{Limit, Plain},
};

/// What one evaluation and one worker process may use. `None` means unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Wall time of one evaluation, from the moment it starts to run. Then it is interrupted.
    #[serde(with = "Limit::<Duration>")]
    pub wall_time: Option<Duration>,
    /// CPU time of one evaluation, over the worker process and its children. Then it is interrupted.
    #[serde(with = "Limit::<Duration>")]
    pub cpu_time: Option<Duration>,
    /// How long an interrupted evaluation may take to end before its worker process is sent SIGTERM, and after as long again SIGKILL.
    #[serde(with = "Plain::<Duration>")]
    pub grace: Duration,
    /// Memory of the worker process at which the caller is warned.
    #[serde(with = "ShareOfMemory")]
    pub memory_soft: Option<ByteSize>,
    /// Memory of the worker process at which it is killed.
    #[serde(with = "Limit::<ByteSize>")]
    pub memory: Option<ByteSize>,
    /// How long a worker may be without an evaluation before its process is stopped.
    #[serde(with = "Limit::<Duration>")]
    pub idle: Option<Duration>,
    /// How much an idle worker process may have grown since it was ready before it is replaced.
    #[serde(with = "ShareOfMemory")]
    pub growth: Option<ByteSize>,
    /// How long a worker process may live before it is replaced, once it is idle. Each is given up to 10 % less.
    #[serde(with = "Limit::<Duration>")]
    pub lifetime: Option<Duration>,
    /// How many evaluations a worker process serves before it is replaced. Each is given up to 10 % fewer.
    #[serde(with = "Limit::<u64>")]
    pub evaluations: Option<u64>,
    /// How much one evaluation may print, standard output and standard error together. What is beyond is dropped and counted.
    pub output: ByteSize,
    /// How many evaluations may wait for one worker. More are refused at once.
    #[serde(with = "Plain::<usize>")]
    pub queue: usize,
    /// How long an evaluation may wait before it starts.
    #[serde(with = "Limit::<Duration>")]
    pub queue_time: Option<Duration>,
    /// How long a worker process may take from its start to its hello.
    #[serde(with = "Plain::<Duration>")]
    pub start_time: Duration,
    /// The largest message to or from a worker process: code, arguments, or one result.
    pub message: ByteSize,
}
