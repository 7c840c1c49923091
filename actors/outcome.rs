//! How an evaluation ends: with an outcome when the code ran to an end, with an [`EvalError`] when Oast could not say.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use oast_config::ByteSize;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Clock, ExitReport, Stream, Value};

/// How an evaluation that ran to an end ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its value, or the error that the code raised.
    pub result: Result<Value, Raised>,
    /// The value as the runtime prints it; empty when there is none.
    pub text: String,
    /// What it printed, in order, unless the caller streams it.
    pub output: Vec<Printed>,
    /// How many bytes it printed beyond its limit.
    pub output_dropped: u64,
    /// Limits it came near.
    pub warnings: Vec<Warning>,
    /// What it used.
    pub usage: Usage,
    /// Which of the worker's processes ran it.
    pub epoch: u64,
}

/// What an evaluation used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Time from its start to its end, as the worker process measured it.
    pub wall: Duration,
    /// Processor time, as the worker process measured it.
    pub cpu: Duration,
    /// Memory of the worker process at its end, where known.
    pub memory: Option<ByteSize>,
}

/// A piece of what an evaluation printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Where to.
    pub stream: Stream,
    /// What. It may end within a character.
    pub bytes: Bytes,
}

/// An error that the code raised. The worker lives on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{kind}: {message}")]
pub struct Raised {
    /// Its type in the runtime's words: `TypeError`, `panic`.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// Where it came from, as text for people; may be empty.
    pub traceback: String,
}

/// A limit that an evaluation came near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The worker process is over its soft memory limit.
    Memory {
        /// The soft limit.
        limit: ByteSize,
        /// What was seen.
        seen: ByteSize,
    },
}

/// Why an evaluation has no outcome. The variant tells whether it is safe to try again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvalError {
    /// It never reached the code: trying again is safe.
    #[error("the evaluation did not start: {0}")]
    NotStarted(#[from] NotStarted),
    /// It ran and was interrupted; the worker process and its state live on.
    #[error("the evaluation was interrupted{}", .0.suffix())]
    Interrupted(Interrupter),
    /// The worker process ended while it may have been running: it may have had effects.
    #[error("the evaluation was lost: {0}")]
    Lost(Arc<ExitReport>),
    /// It ran, more than once, and every worker process that it ran in ended while it did: it may have had effects, several
    /// times, and is not sent again. Only where [retries](crate::EvalOptions::retries) were asked for.
    #[error("the evaluation ended its worker process in each of {tries} tries, and is not tried again: {report}")]
    Quarantined {
        /// How many processes ended.
        tries: u32,
        /// How the last one did.
        report: Arc<ExitReport>,
    },
}

/// Who interrupted an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupter {
    /// The caller.
    Caller,
    /// A time limit.
    TimeLimit {
        /// The limit.
        limit: Duration,
        /// Which clock.
        clock: Clock,
    },
    /// The time that it might wait in the queue, which ran out just as it began.
    Deadline,
}

impl Interrupter {
    fn suffix(self) -> String {
        match self {
            Self::Caller => String::new(),
            Self::Deadline => " as it began, after it had waited too long".to_owned(),
            Self::TimeLimit { limit, clock: Clock::Wall } => format!(" at its time limit of {limit:?}"),
            Self::TimeLimit { limit, clock: Clock::Cpu } => format!(" at its CPU time limit of {limit:?}"),
        }
    }
}

/// Why an evaluation did not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotStarted {
    /// The queue is full.
    #[error("{limit} evaluations wait already")]
    Busy {
        /// The limit of the queue.
        limit: usize,
    },
    /// It waited longer than it may.
    #[error("it waited longer than {waited:?}")]
    Deadline {
        /// How long.
        waited: Duration,
    },
    /// Its caller took it back.
    #[error("it was cancelled")]
    Cancelled,
    /// The worker process was started again and the state that earlier evaluations built is gone.
    #[error("the worker was restarted and its state is lost")]
    Restarted {
        /// Which process serves now, or will.
        epoch: u64,
        /// Why the one before ended.
        report: Option<Arc<ExitReport>>,
    },
    /// The worker failed too often and waits for a reset.
    #[error("the worker is broken: it failed {} times", .history.len())]
    Broken {
        /// How, oldest first.
        history: Vec<Arc<ExitReport>>,
    },
    /// The worker was stopped, or its process ended and its policy does not restart it.
    #[error("the worker is stopped")]
    Stopped {
        /// How its last process ended.
        report: Option<Arc<ExitReport>>,
    },
    /// Its worker process could not be started.
    #[error("{0}")]
    StartFailed(Arc<ExitReport>),
    /// It is larger than a message may be.
    #[error("it has {size} bytes, and a message at most {limit}")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The runtime cannot do what was asked.
    #[error("the runtime cannot {0}")]
    Unsupported(&'static str),
    /// The supervisor is gone: its thread ended, or it panicked.
    #[error("the worker's supervisor is gone")]
    SupervisorGone,
    /// The lease that the handle came from has ended.
    #[error("the lease has ended")]
    LeaseEnded,
}
