//! Why a worker process ended. The order of evidence is an invariant: Oast's own decision, the kernel's counters, the
//! signal, the exit code.

use std::time::{Duration, SystemTime};

use oast_config::{ByteSize, CauseKind};
use serde::{Deserialize, Serialize};

/// Why a worker process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Oast was asked to stop it, or replaced it after its lifetime, its number of evaluations, its growth, its lease or its
    /// idle time.
    Asked(Asked),
    /// It used more memory than it may.
    MemoryLimit {
        /// The limit.
        limit: ByteSize,
        /// What was seen when the decision was made.
        seen: ByteSize,
        /// Who held it to the limit.
        by: Enforcer,
    },
    /// An evaluation ran longer than it may and did not heed the interrupt.
    TimeLimit {
        /// The limit.
        limit: Duration,
        /// Which clock.
        clock: Clock,
    },
    /// An evaluation was interrupted by its caller and did not heed it.
    IgnoredInterrupt,
    /// It did not come to its hello.
    Start(String),
    /// It sent what the protocol does not allow, or closed the control channel and lived on.
    Protocol(String),
    /// A signal ended it that programs raise by themselves (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL …).
    Signal(i32),
    /// A SIGKILL, SIGTERM, SIGINT or SIGHUP that Oast did not send.
    KilledFromOutside(i32),
    /// It left by itself.
    Exit(i32),
    /// The actor that owned it panicked, or its thread ended.
    SupervisorLost,
}

/// Why Oast stopped a worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Asked {
    /// Somebody called stop.
    Stop,
    /// Somebody called kill.
    Kill,
    /// It was idle for its idle time.
    Idle,
    /// It reached its lifetime.
    Lifetime,
    /// It served its number of evaluations.
    Evaluations,
    /// Its lease ended, and its profile recycles.
    Lease,
    /// Somebody asked for a fresh process.
    Restart,
    /// The registry is shutting down.
    Shutdown,
    /// It had grown by more than it may, and was idle.
    Growth,
    /// It was idle, and its memory was wanted elsewhere.
    Budget,
}

/// Who enforced a memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Enforcer {
    /// The sampler saw it.
    Sampler,
    /// The kernel's out-of-memory killer, in the worker's own cgroup.
    Kernel,
}

/// Which clock a time limit is measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Clock {
    /// Time that passes.
    Wall,
    /// Time on a processor.
    Cpu,
}

/// Everything known about the end of a worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// The worker's name.
    pub worker: String,
    /// Which of its processes: 1 for the first.
    pub epoch: u64,
    /// The process id; 0 when there never was one.
    pub pid: u32,
    /// Why it ended.
    pub cause: Cause,
    /// What the kernel said of it.
    pub status: Option<ExitStatus>,
    /// The most memory it was seen to use.
    pub peak_memory: ByteSize,
    /// The CPU time that it and its children used.
    pub cpu: Duration,
    /// How long it lived.
    pub wall: Duration,
    /// The last that it wrote to standard error, at most 4 KiB.
    pub stderr: String,
    /// When it ended.
    pub at: SystemTime,
}

/// How a process ended, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It left with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Cause {
    /// What kind of end this is, for the restart policy.
    pub const fn kind(&self) -> CauseKind {
        match self {
            Self::Asked(_) => CauseKind::Asked,
            Self::MemoryLimit { .. } => CauseKind::Memory,
            Self::TimeLimit { .. } | Self::IgnoredInterrupt => CauseKind::Time,
            Self::Start(_) => CauseKind::Start,
            Self::Protocol(_) => CauseKind::Protocol,
            Self::Signal(_) => CauseKind::Signal,
            Self::KilledFromOutside(_) => CauseKind::Outside,
            Self::Exit(_) | Self::SupervisorLost => CauseKind::Exit,
        }
    }
}
