//! What one evaluation and one worker may use.

use std::time::Duration;

use crate::ByteSize;

/// What one evaluation and one worker process may use. `None` means unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of one evaluation, from the moment it starts to run. Then it is interrupted.
    pub wall_time: Option<Duration>,
    /// CPU time of one evaluation, over the worker process and its children. Then it is interrupted.
    pub cpu_time: Option<Duration>,
    /// How long an interrupted evaluation may take to end before its worker process is sent SIGTERM, and after as long again SIGKILL.
    pub grace: Duration,
    /// Memory of the worker process at which the caller is warned.
    pub memory_soft: Option<ByteSize>,
    /// Memory of the worker process at which it is killed.
    pub memory: Option<ByteSize>,
    /// How long a worker may be without an evaluation before its process is stopped.
    pub idle: Option<Duration>,
    /// How long a worker process may live before it is replaced, once it is idle.
    pub lifetime: Option<Duration>,
    /// How many evaluations a worker process serves before it is replaced.
    pub evaluations: Option<u64>,
    /// How much one evaluation may print, standard output and standard error together. What is beyond is dropped and counted.
    pub output: ByteSize,
    /// How many evaluations may wait for one worker. More are refused at once.
    pub queue: usize,
    /// How long an evaluation may wait before it starts.
    pub queue_time: Option<Duration>,
    /// How long a worker process may take from its start to its hello.
    pub start_time: Duration,
    /// The largest message to or from a worker process: code, arguments, or one result.
    pub message: ByteSize,
}
