//! The door to one worker: it names evaluations and refuses more of them than may wait. It stands before the mailbox,
//! because an actix mailbox bounds nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::{
    Counters, EvalId, NotStarted,
    evaluation::{Completer, Reply},
};

/// The door to one worker. Its supervisors, one after another, and all handles share it.
#[derive(Debug)]
pub(crate) struct Intake {
    next_id: AtomicU64,
    /// The last process that was started, whichever supervisor started it.
    epoch: AtomicU64,
    /// Which process serves what is submitted now: the last one, or the one after it.
    serving: AtomicU64,
    /// How many evaluations did not end yet.
    load: Arc<AtomicUsize>,
    /// How many evaluations of all workers had been submitted when the last one of this was: a clock that costs nothing.
    last_used: AtomicU64,
    /// How many may wait.
    limit: usize,
    /// How much one may print.
    output: u64,
    counters: Arc<Counters>,
}

impl Intake {
    pub(crate) fn new(limits: &oast_config::Limits, counters: Arc<Counters>) -> Self {
        let (limit, output) = (limits.queue, limits.output.get());
        Self {
            next_id: AtomicU64::new(1),
            epoch: AtomicU64::new(0),
            serving: AtomicU64::new(1),
            load: Arc::default(),
            last_used: AtomicU64::new(0),
            limit,
            output,
            counters,
        }
    }

    pub(crate) fn next_id(&self) -> EvalId {
        EvalId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The last process that was started.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Which process serves what is submitted now, as far as a caller can know.
    pub(crate) fn serving(&self) -> u64 {
        self.serving.load(Ordering::Acquire)
    }

    /// Is told before any caller is answered that a process ended, so that what it submits then is meant for the next.
    pub(crate) fn set_epoch(&self, epoch: u64, serving: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
        self.serving.store(serving, Ordering::Release);
    }

    /// When it was used last, in evaluations of all workers.
    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Whether it has nothing to do. Its supervisor looks again before anything follows from it.
    pub(crate) fn is_idle(&self) -> bool {
        self.load.load(Ordering::Acquire) == 0
    }

    /// Lets one evaluation in, or answers it that the worker is busy.
    pub(crate) fn admit(&self, reply: Reply, seen: Arc<AtomicU64>) -> Result<Completer, NotStarted> {
        // The one that runs does not wait, so there may be one more than may wait.
        let before = self.load.fetch_add(1, Ordering::Acquire);
        let completer = Completer::new(reply, self.load.clone(), seen, self.output);
        if before <= self.limit {
            self.last_used.store(self.counters.submitted.get(), Ordering::Relaxed);
            return Ok(completer);
        }
        self.counters.refused.add(1);
        completer.complete(Err(NotStarted::Busy { limit: self.limit }.into()));
        Err(NotStarted::Busy { limit: self.limit })
    }
}
