//! What happened, for whoever wants to follow: a bounded stream of events that slows nobody down, and counters that
//! only go up. Every event is a `tracing` event too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::{info, warn};

use crate::{Printed, Stream, Transition, WorkerSpec};

/// Something that happened to a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerEvent {
    /// Which worker.
    pub worker: Arc<str>,
    /// Whose it is.
    pub tenant: Option<Arc<str>>,
    /// Which of its processes.
    pub epoch: u64,
    /// When.
    pub at: SystemTime,
    /// What changed in its life, if that is what happened.
    pub transition: Option<Transition>,
    /// What its process printed while no evaluation ran, if that is what happened.
    pub printed: Option<Printed>,
}

/// Takes down what happens.
#[derive(Clone, Debug)]
pub struct Journal(broadcast::Sender<WorkerEvent>);

/// Follows what happens. One that does not keep up misses the oldest events, and [`missed`](Self::missed) counts them.
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<WorkerEvent>,
    missed: u64,
}

impl Journal {
    /// Keeps the last `capacity` events for those that follow.
    pub fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.max(1)))
    }

    /// Follows from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { events: self.0.subscribe(), missed: 0 }
    }

    pub(crate) fn note(&self, spec: &WorkerSpec, epoch: u64, transition: Transition) {
        log(spec, epoch, &transition);
        self.publish(spec, epoch, Some(transition), None);
    }

    pub(crate) fn printed(&self, spec: &WorkerSpec, epoch: u64, stream: Stream, bytes: Bytes) {
        self.publish(spec, epoch, None, Some(Printed { stream, bytes }));
    }

    fn publish(&self, spec: &WorkerSpec, epoch: u64, transition: Option<Transition>, printed: Option<Printed>) {
        let (worker, tenant) = (spec.name.clone(), spec.tenant.clone());
        let event = WorkerEvent { worker, tenant, epoch, at: SystemTime::now(), transition, printed };
        // An error says that nobody follows.
        drop(self.0.send(event));
    }
}

impl Subscription {
    /// The next event; `None` when the registry is gone.
    pub async fn next(&mut self) -> Option<WorkerEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(missed)) => self.missed += missed,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// How many events were missed.
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

fn log(spec: &WorkerSpec, epoch: u64, transition: &Transition) {
    let (worker, tenant) = (&*spec.name, spec.tenant.as_deref());
    match transition {
        Transition::Starting => info!(worker, tenant, epoch, "worker process starts"),
        Transition::Ready => info!(worker, tenant, epoch, "worker process is ready"),
        Transition::Cleaned => info!(worker, tenant, epoch, "worker is clean"),
        Transition::Stopping(why) => info!(worker, tenant, epoch, ?why, "worker process is asked to stop"),
        Transition::Restarting { after } => info!(worker, tenant, epoch, ?after, "worker process is started again"),
        Transition::Dormant => info!(worker, tenant, epoch, "worker has no process until it is needed"),
        Transition::Stopped => info!(worker, tenant, epoch, "worker is stopped"),
        Transition::MemoryWarning { limit, seen } => {
            warn!(worker, tenant, epoch, %limit, %seen, "worker is over its soft memory limit");
        }
        Transition::LimitHit(cause) => warn!(worker, tenant, epoch, ?cause, "limit enforced"),
        Transition::Broken => warn!(worker, tenant, epoch, "worker is broken: it failed too often"),
        Transition::Exited(report) => info!(
            worker, tenant, epoch, pid = report.pid, cause = ?report.cause, status = ?report.status,
            peak_memory = report.peak_memory.get(), cpu = ?report.cpu, wall = ?report.wall, "worker process ended"
        ),
    }
}

/// A number that only goes up. Readers compute rates.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was counted since the registry started, over all workers.
#[derive(Debug, Default)]
pub struct Counters {
    /// Evaluations that supervisors took.
    pub submitted: Counter,
    /// Evaluations that ended, however.
    pub ended: Counter,
    /// Evaluations that were refused before they reached the code.
    pub refused: Counter,
    /// Evaluations that were lost with their worker process.
    pub lost: Counter,
    /// Evaluations that were sent again after they may have run.
    pub retried: Counter,
    /// Evaluations that ended every process that they were tried in.
    pub quarantined: Counter,
    /// Interrupts that were sent.
    pub interrupts: Counter,
    /// Worker processes that were started.
    pub starts: Counter,
    /// Worker processes that ended.
    pub exits: Counter,
    /// Limits that were enforced.
    pub limits_hit: Counter,
    /// Workers that became broken.
    pub broken: Counter,
    /// Supervisors that were lost: they panicked, or their thread ended.
    pub supervisor_panics: Counter,
    /// Bytes that worker processes printed.
    pub output_bytes: Counter,
}

/// What the [`Counters`] say at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `Counters`, where each is told")]
pub struct Counts {
    pub submitted: u64,
    pub ended: u64,
    pub refused: u64,
    pub lost: u64,
    pub retried: u64,
    pub quarantined: u64,
    pub interrupts: u64,
    pub starts: u64,
    pub exits: u64,
    pub limits_hit: u64,
    pub broken: u64,
    pub supervisor_panics: u64,
    pub output_bytes: u64,
}

impl Counters {
    /// All of them now.
    pub fn counts(&self) -> Counts {
        Counts {
            submitted: self.submitted.get(),
            ended: self.ended.get(),
            refused: self.refused.get(),
            lost: self.lost.get(),
            retried: self.retried.get(),
            quarantined: self.quarantined.get(),
            interrupts: self.interrupts.get(),
            starts: self.starts.get(),
            exits: self.exits.get(),
            limits_hit: self.limits_hit.get(),
            broken: self.broken.get(),
            supervisor_panics: self.supervisor_panics.get(),
            output_bytes: self.output_bytes.get(),
        }
    }

    pub(crate) fn count(&self, transition: &Transition) {
        match transition {
            Transition::Exited(_) => self.exits.add(1),
            Transition::LimitHit(_) => self.limits_hit.add(1),
            Transition::Broken => self.broken.add(1),
            Transition::Starting
            | Transition::Ready
            | Transition::Cleaned
            | Transition::MemoryWarning { .. }
            | Transition::Stopping(_)
            | Transition::Restarting { .. }
            | Transition::Dormant
            | Transition::Stopped => {}
        }
    }
}
